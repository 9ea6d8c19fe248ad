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
	t.latency.add(t.now-sent, 1)
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

var (
	keyN    = []byte(`"n"`)
	keySent = []byte(`"sent"`)
)

// parseFrame finds the number of an event and when it was sent. Frames of the stream itself have
// none.
func parseFrame(frame []byte) (n, sent int64, ok bool) {
	at := bytes.Index(frame, keyN)
	if at < 0 {
		return 0, 0, false
	}
	rest := frame[at+len(keyN):]
	if n, ok = number(rest); !ok {
		return 0, 0, false
	}
	if at = bytes.Index(rest, keySent); at < 0 {
		return 0, 0, false
	}
	sent, ok = number(rest[at+len(keySent):])
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
