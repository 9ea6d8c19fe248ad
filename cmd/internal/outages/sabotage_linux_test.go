package outages

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// distortion does something wrong to one frame of many on their way to a client. The judge must notice.
type distortion struct {
	kind  string // drop, repeat, swap or delay
	every int    // events until it does so, once

	mu   sync.Mutex
	seen int
	held []byte    // a frame that waits
	row  string    // about which the held frame is, if it waits for the next one of this row
	due  time.Time // when it comes otherwise
	done bool
}

// delayed is how long a delayed frame waits while others pass.
const delayed = 8 * time.Second

// distortions are the kinds. Another sabotage is that of the ledger, which claims an extra write.
var distortions = []string{"drop", "repeat", "swap", "delay"}

// reader returns a reader that distorts the frames of a stream.
func (d *distortion) reader(stream io.Reader) io.Reader {
	d.mu.Lock()
	if d.held != nil { // of the connection before: it comes again, as it should
		d.held, d.done, d.seen = nil, false, 0
	}
	d.mu.Unlock()
	return &distorted{d: d, stream: stream, chunk: make([]byte, 16<<10)}
}

type distorted struct {
	d      *distortion
	stream io.Reader
	chunk  []byte
	in     bytes.Buffer // an incomplete frame
	out    bytes.Buffer
}

func (r *distorted) Read(b []byte) (int, error) {
	for r.out.Len() == 0 {
		n, err := r.stream.Read(r.chunk)
		r.in.Write(r.chunk[:n])
		for {
			frame, _, ok := bytes.Cut(r.in.Bytes(), []byte("\n\n"))
			if !ok {
				break
			}
			r.out.Write(r.d.distort(bytes.Clone(r.in.Next(len(frame) + 2))))
		}
		if err != nil {
			return 0, err
		}
	}
	return r.out.Read(b)
}

// updated matches the frame of a whole transaction with one event of a row that all writers share. A torn transaction
// would be noticed too easily.
var updated = regexp.MustCompile(`^id: .*\ndata: \{"id":\d+,"type":"item_updated","data":\{"id":"(i-\d+)"`)

// distort returns what the client gets in place of a frame.
func (d *distortion) distort(frame []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	row := updated.FindSubmatch(frame)
	if d.held != nil {
		if row != nil && string(row[1]) == d.row || d.row == "" && time.Now().After(d.due) {
			frame = append(frame, d.held...)
			d.held = nil
		}
		return frame
	}
	if row == nil || d.done {
		return frame
	}
	if d.seen++; d.seen < d.every {
		return frame
	}
	d.done = true
	switch d.kind {
	case "drop":
		return nil
	case "repeat":
		return append(frame, frame...)
	case "swap":
		d.held, d.row = frame, string(row[1])
		return nil
	default:
		d.held, d.row, d.due = frame, "", time.Now().Add(delayed)
		return nil
	}
}

// over reports whether the sabotage has happened.
func (d *distortion) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done && d.held == nil
}

// TestJudgeNoticesSabotage distorts one event on its way to each of some clients. The judge must accept the honest ones
// and reject the others, and a ledger that claims one write too many.
func TestJudgeNoticesSabotage(t *testing.T) {
	s := newSoak(t)
	honest := s.clients
	for i, kind := range distortions {
		c := newFollower(s.net, kind, (replicaCount-1+i)%len(s.servers()), s.servers(), s.rng.Uint64()) // one at a replica, the others at edges
		c.distort = &distortion{kind: kind, every: 100}
		s.clients = append(s.clients, c)
	}
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), recoveryLimit)
	defer cancel()
	for _, c := range s.clients[len(honest):] {
		if !await(ctx, c.distort.over) {
			t.Fatalf("the sabotage %s did not happen", c.Name)
		}
	}
	h := s.finish()
	saboteurs := s.clients[len(honest):]
	s.clients = honest
	for _, err := range s.check(h) {
		t.Error(err)
	}
	for _, c := range saboteurs {
		err := h.CheckClient(&c.Client, s.window)
		if err == nil {
			t.Errorf("the judge did not notice the sabotage %s", c.Name)
		}
		t.Logf("%v", err)
	}
	h.Audit = append(h.Audit, forged)
	if err := h.CheckLog(); err == nil {
		t.Error("the judge did not notice a forged ledger")
	}
}

// forged is a write that never happened.
var forged = judge.Audited{XID: "1", Table: "items", Op: "UPDATE", OldKey: "i-1", NewKey: "i-1"}
