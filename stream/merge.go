package stream

import (
	"bytes"
	"math"
	"time"
)

// A client may want less than everything it is due: of what comes together, only the newest event of
// each kind about each row (conflation), or all of it as one event (a batch).

// batchBytes is about how large a batch may become: it is one frame, and a client that reads slowly
// keeps what is left of it.
const batchBytes = 64 << 10

// mergeBytes is how much of the log is read at once in order to find out what is the newest in it.
const mergeBytes = 1 << 20

// TypeBatch is the type of a batch.
const TypeBatch = "batch"

// Conflated returns the filter of a client that wants, of the events that are due to it at once, only
// the newest of each type and key. Events without a key all come.
func (f Filter) Conflated() Filter {
	return f.with("&conflate=1", func(r *rules) { r.conflate = true })
}

// Batched returns the filter of a client that wants what becomes due within each window as one event.
// It is for who writes to the client to wait for a window's end, see Subscription.Window.
func (f Filter) Batched(window time.Duration) Filter {
	return f.with("&batch="+window.String(), func(r *rules) { r.window = window })
}

// Window is how long events are to be gathered before they are asked for, 0 if they are not.
func (s *Subscription) Window() time.Duration {
	if s.filter.rules == nil {
		return 0
	}
	return s.filter.rules.window
}

// with returns the filter with other rules. No parameter of a filter is called as the mark is, so the
// id stays theirs alone.
func (f Filter) with(mark string, change func(*rules)) Filter {
	var r rules
	if f.rules != nil {
		r = *f.rules
	}
	change(&r)
	r.id += mark
	f.rules = &r
	return f
}

// conflates and batches report what Conflated and Batched have asked for; merges that one of them did.
func (f *Filter) conflates() bool { return f.rules != nil && f.rules.conflate }
func (f *Filter) batches() bool   { return f.rules != nil && f.rules.window != 0 }
func (f *Filter) merges() bool    { return f.conflates() || f.batches() }

// subject is what of which there is a newest event.
type subject struct{ kind, key string }

// newest says which frame is the newest of each subject.
type newest map[subject]spot

type spot struct {
	entry *entry
	frame int
}

// note notes the frames of an entry that the filter lets through, from the given one on.
func (n newest) note(e *entry, from int, f *Filter) {
	for i := from; i < len(e.frames); i++ {
		if fr := &e.frames[i]; fr.key != "" && f.match(e, i) {
			n[subject{fr.kind, fr.key}] = spot{e, i}
		}
	}
}

// choice is what is to be sent of some entries.
type choice struct {
	filter *Filter
	newest newest // nil: not only those
}

func (c *choice) match(e *entry, i int) bool {
	if !c.filter.match(e, i) {
		return false
	}
	fr := &e.frames[i]
	return c.newest == nil || fr.key == "" || c.newest[subject{fr.kind, fr.key}] == spot{e, i}
}

// choice finds out what to send of what stands before the given position. The feed's mu must be held.
func (s *Subscription) choice(end uint64) choice {
	c := choice{filter: &s.filter}
	if !s.filter.conflates() {
		return c
	}
	c.newest = make(newest)
	r := s.feed.ring
	start := s.get().start
	for pos, from := s.pos, s.frame; pos < min(r.end(), end); pos, from = pos+1, 0 {
		e := r.at(pos)
		if e.inLog {
			break
		}
		if start.Seen(e.xid) {
			continue
		}
		if s.filter.reads() {
			r.index(e)
		}
		c.newest.note(e, from, &s.filter)
	}
	return c
}

// passLimit is how much of the feed a pass looks at for the client: who conflates, at all of it.
func (f *Filter) passLimit(limit int) int {
	if f.conflates() {
		return math.MaxInt
	}
	return limit
}

// batch is a batch event in the making.
type batch struct {
	events [][]byte
	size   int
	whole  int    // how many of them are of complete transactions
	id     []byte // the id line of the last of those
}

// batched puts frames together into batches. The id of a batch is that of its last transaction; events
// of a transaction that goes on later have a batch of their own, without an id.
func batched(bufs [][]byte) [][]byte {
	var out [][]byte
	var b batch
	var id []byte
	for line := range bytes.Lines(bytes.Join(bufs, nil)) {
		if bytes.HasPrefix(line, []byte("id: ")) {
			id = line
			continue
		}
		envelope, isData := bytes.CutPrefix(line, []byte("data: "))
		if !isData {
			continue
		}
		b.add(bytes.TrimSuffix(envelope, []byte("\n")), id)
		id = nil
		if b.size >= batchBytes {
			out, b = b.flush(out), batch{}
		}
	}
	return b.flush(out)
}

func (b *batch) add(envelope, id []byte) {
	b.events = append(b.events, envelope)
	b.size += len(envelope)
	if id != nil {
		b.whole, b.id = len(b.events), id
	}
}

func (b *batch) flush(out [][]byte) [][]byte {
	if b.whole > 0 {
		out = append(out, batchFrame(b.id, b.events[:b.whole]))
	}
	if b.whole < len(b.events) {
		out = append(out, batchFrame(nil, b.events[b.whole:]))
	}
	return out
}

// batchFrame has the time of its last event.
func batchFrame(id []byte, events [][]byte) []byte {
	last := events[len(events)-1]
	at := last[bytes.LastIndexByte(last, ':')+1 : len(last)-1] // the envelope ends with its timestamp
	var b []byte
	b = append(b, id...)
	b = append(b, `data: {"type":"batch","data":{"events":[`...)
	b = append(b, bytes.Join(events, []byte(","))...)
	b = append(b, `]},"timestamp":`...)
	b = append(b, at...)
	return append(b, "}\n\n"...)
}
