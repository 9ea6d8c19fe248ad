package load

import (
	"bytes"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"
)

// MaxEvents limits the events whose first and last arrival are kept.
const MaxEvents = 1 << 20

// tally counts what a process has received since the last mark.
type tally struct {
	base      int64 // number of the first event
	now       int64 // Unix µs: time of the current read
	received  int64
	bytes     int64
	arrivedAt int64
	latency   stats.Histogram // µs
	sent      []int64         // by event: its write, Unix µs
	first     []int64         // by event: its arrival, Unix µs
	last      []int64
}

func (t *tally) add(n, sent int64) {
	t.received++
	t.arrivedAt = t.now
	if sent > 0 {
		t.latency.Add(t.now-sent, 1)
	}
	i := n - t.base
	if i < 0 || i >= MaxEvents {
		return
	}
	for int64(len(t.first)) <= i {
		t.sent = append(t.sent, 0)
		t.first = append(t.first, 0)
		t.last = append(t.last, 0)
	}
	if t.first[i] == 0 {
		t.first[i] = t.now
	}
	t.sent[i], t.last[i] = sent, t.now
}

// keys are the texts before the number of an event and before the time of its write. sent is empty if
// frames have no time.
type keys struct{ n, sent []byte }

// parse returns the number of an event and the time of its write. ok is false for frames of the stream
// itself.
func (k keys) parse(frame []byte) (n, sent int64, ok bool) {
	at := bytes.Index(frame, k.n)
	if at < 0 {
		return 0, 0, false
	}
	rest := frame[at+len(k.n):]
	if n, ok = parseNumber(rest); !ok || len(k.sent) == 0 {
		return n, 0, ok
	}
	if at = bytes.Index(rest, k.sent); at < 0 {
		return 0, 0, false
	}
	sent, ok = parseNumber(rest[at+len(k.sent):])
	return n, sent, ok
}

// parseNumber parses digits after colons and spaces.
func parseNumber(b []byte) (n int64, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == ':') {
		i++
	}
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n, ok = n*10+int64(b[i]-'0'), true
	}
	return n, ok
}
