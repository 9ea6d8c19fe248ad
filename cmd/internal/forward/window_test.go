package forward

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

func cursorAt(next uint64) stream.Cursor { return stream.NewCursor("epoch", next, nil) }

func spansOf(w *window) (n int) {
	for s := w.first; s != nil; s = s.next {
		n++
	}
	return n
}

// TestWindow checks the position and the number of spans against a list of all transactions.
func TestWindow(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWindow(cursorAt(0), "", func(bool) {})
	var all []int // open events of each transaction
	var open []*item
	of := map[*item]int{}
	acknowledge := func() {
		n := rng.IntN(len(open))
		i := open[n]
		open = append(open[:n], open[n+1:]...)
		all[of[i]]--
		w.done(i)
	}
	check := func(closed int) {
		complete := 0
		for complete < closed && all[complete] == 0 {
			complete++
		}
		if position, _, _ := w.state(); position.Next() != uint64(complete) {
			t.Fatalf("the position is %d, want %d", position.Next(), complete)
		}
		if n := spansOf(w); n > len(open)+1 || w.events != len(open) {
			t.Fatalf("%d spans and %d events for %d", n, w.events, len(open))
		}
	}
	for n := range 3000 {
		s := w.open()
		all = append(all, 0)
		for range rng.IntN(4) {
			i := &item{span: s}
			w.add(i)
			all[n]++
			open, of[i] = append(open, i), n
			if rng.IntN(2) == 0 {
				acknowledge()
			}
			check(n)
		}
		w.close(s, cursorAt(uint64(n+1)))
		if end := w.end(); end.Next() != uint64(n+1) {
			t.Fatalf("the end is %d, want %d", end.Next(), n+1)
		}
		check(n + 1)
		for len(open) > 40 || len(open) > 0 && rng.IntN(2) == 0 {
			acknowledge()
			check(n + 1)
		}
	}
}

// TestWindowAhead checks that a window takes no more once too much is acknowledged behind an open event, and that transactions without
// events do not count.
func TestWindowAhead(t *testing.T) {
	t.Parallel()
	w := newWindow(cursorAt(0), "", func(bool) {})
	xid := uint64(0)
	add := func(events int) (last *item) {
		s := w.open()
		for range events {
			last = &item{span: s}
			w.add(last)
		}
		xid++
		w.close(s, cursorAt(xid))
		return last
	}
	hasRoom := func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return w.waitRoom(ctx) == nil
	}
	first := add(1)
	for range 10_000 {
		add(0)
	}
	if !hasRoom() || spansOf(w) != 1 {
		t.Errorf("%d spans of transactions without events", spansOf(w))
	}
	for n := range windowAhead {
		if !hasRoom() {
			t.Fatalf("no room after %d events", n)
		}
		w.done(add(1))
	}
	if hasRoom() {
		t.Error("there is room behind an event that is not acknowledged")
	}
	w.done(first)
	if position, _, _ := w.state(); !hasRoom() || position.Next() != xid || spansOf(w) != 0 {
		t.Errorf("the position is %d, want %d", position.Next(), xid)
	}
	large := w.open() // only its end can move the position
	for range windowAhead + 1 {
		i := &item{span: large}
		w.add(i)
		w.done(i)
	}
	if !hasRoom() {
		t.Error("no room for the rest of a large transaction")
	}
}

// brokenLog gives a transaction in two parts, and an error between them.
type brokenLog struct {
	stream.Log
	stream.Reading
	calls int
	lost  error // after the first part, forever
}

func (l *brokenLog) Read(context.Context, stream.Cursor) (stream.Reading, error) { return l, nil }

func (l *brokenLog) Cursor() stream.Cursor { return cursorAt(2) }

func (l *brokenLog) Next(context.Context, stream.Interest) (stream.Transaction, error) {
	l.calls++
	switch {
	case l.calls == 1:
		return stream.Transaction{XID: 1, More: true, Events: []stream.Event{{ID: 1, Type: "note", Data: []byte(`1`)}}}, nil
	case l.lost != nil:
		return stream.Transaction{}, l.lost
	case l.calls == 2:
		return stream.Transaction{}, errors.New("the database is away")
	case l.calls == 3:
		return stream.Transaction{XID: 1, Cursor: cursorAt(2), Events: []stream.Event{{ID: 2, Type: "note", Data: []byte(`2`)}}}, nil
	}
	return stream.Transaction{}, io.EOF
}

// TestReadAgain checks that an error between two parts of a transaction does not end the session, unless the log has lost the rest.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		filter, err := stream.ParseFilter(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		read := func(l *brokenLog) (*session, error) {
			lanes := newLanes(1, 1, nil)
			s := &session{
				log: l, encoder: stream.NewEncoder(filter, nil), lanes: lanes, window: newWindow(cursorAt(1), "", lanes.hold),
				reading: backoff.New(backoff.Options{Min: time.Second, Max: time.Second}),
			}
			return s, s.readFrom(t.Context(), s.window.end())
		}
		if s, err := read(&brokenLog{}); err != nil || s.window.events != 2 || spansOf(s.window) != 1 || s.window.end().Next() != 2 {
			t.Errorf("%d events: %v", s.window.events, err)
		}
		if _, err := read(&brokenLog{lost: stream.ErrPruned}); !errors.Is(err, stream.ErrPruned) {
			t.Errorf("the rest was pruned: %v", err)
		}
	})
}
