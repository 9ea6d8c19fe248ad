package bench

import "bytes"

// maxEvents is for how many events of a run the first and last arrival are kept.
const maxEvents = 1 << 20

// tally counts what a load process received since it was marked.
type tally struct {
	base      int64 // number of the first event
	now       int64 // Unix µs: when what is being read came
	received  int64
	bytes     int64
	arrivedAt int64
	latency   histogram
	first     []int64 // by event, Unix µs
	last      []int64
}

func (t *tally) add(n, sent int64) {
	t.received++
	t.arrivedAt = t.now
	if sent > 0 {
		t.latency.add(t.now-sent, 1)
	}
	i := n - t.base
	if i < 0 || i >= maxEvents {
		return
	}
	for int64(len(t.first)) <= i {
		t.first = append(t.first, 0)
		t.last = append(t.last, 0)
	}
	if t.first[i] == 0 {
		t.first[i] = t.now
	}
	t.last[i] = t.now
}

// keys are what stands in a frame before the number of the event, and before the time when it was
// sent. If there is no such time, sent is empty.
type keys struct{ n, sent []byte }

// parse finds the number of an event and when it was sent. Frames of the stream itself have none.
func (k keys) parse(frame []byte) (n, sent int64, ok bool) {
	at := bytes.Index(frame, k.n)
	if at < 0 {
		return 0, 0, false
	}
	rest := frame[at+len(k.n):]
	if n, ok = number(rest); !ok || len(k.sent) == 0 {
		return n, 0, ok
	}
	if at = bytes.Index(rest, k.sent); at < 0 {
		return 0, 0, false
	}
	sent, ok = number(rest[at+len(k.sent):])
	return n, sent, ok
}

// number reads one behind a colon and spaces.
func number(b []byte) (n int64, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == ':') {
		i++
	}
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n, ok = n*10+int64(b[i]-'0'), true
	}
	return n, ok
}
