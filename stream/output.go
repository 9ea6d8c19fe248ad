package stream

import (
	"math"
	"time"
)

// output collects the bytes for a client: frames that share the entries' memory or, for a filter
// that batches, batches of them.
type output struct {
	bufs  [][]byte
	batch *batch // nil if the filter does not batch
}

// newOutput returns an output that appends to dst.
func (f *Filter) newOutput(dst [][]byte) output {
	if f.batches() {
		return output{bufs: dst, batch: new(batch)}
	}
	return output{bufs: dst}
}

// add appends the frames from i to before j, which must be in one block, and returns their size with
// the id line. A non-nil idLine stands before frame i, which must then be the only one.
func (o *output) add(e *entry, i, j int, idLine []byte) int {
	chunk := e.chunk(i, j)
	switch {
	case o.batch != nil:
		for ; i < j; i++ {
			o.bufs = o.batch.add(o.bufs, e, i, idLine)
		}
	case idLine != nil:
		o.bufs = append(o.bufs, idLine, chunk)
	default:
		o.bufs = append(o.bufs, chunk)
	}
	return len(idLine) + len(chunk)
}

// finish returns everything that was added.
func (o *output) finish() [][]byte {
	if o.batch != nil {
		o.bufs = o.batch.flush(o.bufs)
	}
	return o.bufs
}

// appendPending adds the selected frames to out, beginning with frame from, until they reach limit
// bytes. It adds idLine before the last selected frame of the entry. It returns the frame to continue
// with, which is len(e.frames) when the entry is complete, and the number of bytes added.
func (e *entry) appendPending(out *output, from int, sel *selection, idLine []byte, limit int) (next, n int) {
	last := e.lastMatch(sel)
	for i := from; i <= last; i++ {
		if n >= limit {
			return i, n
		}
		if i == last {
			n += out.add(e, i, i+1, idLine)
		} else if j := e.runEnd(i, last, sel, limit-n); j > i {
			n += out.add(e, i, j, nil)
			i = j - 1
		}
	}
	return len(e.frames), n
}

// runEnd returns the end of the run of selected frames that begins at i. A run ends before last,
// which needs an id line, at the end of a block, and when its bytes reach limit.
func (e *entry) runEnd(i, last int, sel *selection, limit int) int {
	j := i
	for j < last && sel.matches(e, j) && (j == i || e.fitsRun(i, j, limit)) {
		j++
	}
	return j
}

// fitsRun reports whether frame j is in the block of frame i, and fewer than limit bytes lie between
// the start of i and the end of j.
func (e *entry) fitsRun(i, j int, limit int) bool {
	from, to := &e.frames[i], &e.frames[j]
	return to.block == from.block && int(e.end(j)-from.start) < limit
}

// lastMatch returns the last selected frame, -1 if there is none.
func (e *entry) lastMatch(sel *selection) int {
	for i := len(e.frames) - 1; i >= 0; i-- {
		if sel.matches(e, i) {
			return i
		}
	}
	return -1
}

// countMatches returns the number of selected frames in [from, to).
func (e *entry) countMatches(from, to int, sel *selection) int {
	n := 0
	for i := from; i < to; i++ {
		if sel.matches(e, i) {
			n++
		}
	}
	return n
}

// Conflated returns a filter that, of the events that are pending at the same time, delivers only the
// newest of each type and key. It delivers every event that has no key.
func (f Filter) Conflated() Filter {
	return f.with("&conflate=1", func(c *criteria) { c.conflate = true })
}

func (f *Filter) conflates() bool { return f.criteria != nil && f.criteria.conflate }

// scanLimit returns how many bytes of the feed the server must scan to decide what to deliver next:
// limit, or all if the filter conflates, since any later event may replace an earlier one.
func (f *Filter) scanLimit(limit int) int {
	if f.conflates() {
		return math.MaxInt
	}
	return limit
}

// selection decides which frames of a run of entries are sent: the frames that the filter matches. If
// the filter conflates, only the newest of them for each type and key are sent.
type selection struct {
	filter *Filter
	newest newestFrames // nil if the filter does not conflate
}

// newestFrames holds the newest frame of each type and key.
type newestFrames map[typeAndKey]frameRef

type typeAndKey struct{ eventType, key string }

type frameRef struct {
	entry *entry
	frame int
}

// matches reports whether frame i of the entry is to be sent.
func (s *selection) matches(e *entry, i int) bool {
	if !s.filter.match(e, i) {
		return false
	}
	f := &e.frames[i]
	return s.newest == nil || f.key == "" || s.newest[typeAndKey{f.eventType, f.key}] == frameRef{e, i}
}

// add adds the frames of an entry that the filter matches, beginning with frame from. Entries must be
// added in the order of the log.
func (n newestFrames) add(e *entry, from int, f *Filter) {
	for i := from; i < len(e.frames); i++ {
		if fr := &e.frames[i]; fr.key != "" && f.match(e, i) {
			n[typeAndKey{fr.eventType, fr.key}] = frameRef{e, i}
		}
	}
}

// selectBefore returns the selection for the entries before the given position. The caller must hold
// the feed's mu.
func (s *Subscription) selectBefore(end uint64) selection {
	sel := selection{filter: &s.filter}
	if !s.filter.conflates() {
		return sel
	}
	sel.newest = make(newestFrames)
	r := s.feed.buffer
	base := s.base()
	for pos, from := s.pos, s.frame; pos < min(r.end(), end); pos, from = pos+1, 0 {
		e := r.at(pos)
		if e.inLog {
			break
		}
		if base.Seen(e.xid) {
			continue
		}
		if s.filter.needsFields() {
			r.parseFields(e)
		}
		sel.newest.add(e, from, &s.filter)
	}
	return sel
}

// selectAll returns the selection for entries that come from the log.
func (f *Filter) selectAll(entries []*entry) selection {
	sel := selection{filter: f}
	if f.conflates() {
		sel.newest = make(newestFrames)
		for _, e := range entries {
			sel.newest.add(e, 0, f)
		}
	}
	return sel
}

// batchBytes is the size at which a batch is sent. A batch is one frame, and the server keeps the part
// of a frame that a slow client has not read in memory.
const batchBytes = 64 << 10

// Batched returns a filter that delivers the events of each window as one event. The caller of
// Pending waits for the end of the window, see Subscription.Window.
func (f Filter) Batched(window time.Duration) Filter {
	return f.with("&batch="+window.String(), func(c *criteria) { c.window = window })
}

// Window returns how long the caller must wait before it calls Pending, so that events gather; 0 if
// the filter does not batch.
func (s *Subscription) Window() time.Duration {
	if s.filter.criteria == nil {
		return 0
	}
	return s.filter.criteria.window
}

func (f *Filter) batches() bool { return f.criteria != nil && f.criteria.window != 0 }

// batch gathers events that are sent as one or two frames. The first holds whole transactions, with
// the id line of the last of them. The second holds the beginning of a transaction that continues
// later: it has no id line, since the client does not have the whole transaction yet.
type batch struct {
	events []batchedEvent
	size   int    // bytes of the envelopes
	whole  int    // the number of events up to the last id line
	idLine []byte // the last id line
}

// batchedEvent points into the memory of an entry.
type batchedEvent struct{ envelope, timestamp []byte }

// add adds frame i of the entry to the batch. A non-nil idLine says that the transaction ends with
// this frame. Once the batch is large enough, add appends it to dst and begins another one.
func (b *batch) add(dst [][]byte, e *entry, i int, idLine []byte) [][]byte {
	ev := batchedEvent{envelope: e.envelope(i), timestamp: e.timestamp(i)}
	b.events = append(b.events, ev)
	b.size += len(ev.envelope)
	if idLine != nil {
		b.whole, b.idLine = len(b.events), idLine
	}
	if b.size < batchBytes {
		return dst
	}
	return b.flush(dst)
}

// flush appends the gathered events to dst as frames, and empties the batch.
func (b *batch) flush(dst [][]byte) [][]byte {
	if b.whole > 0 {
		dst = appendBatch(dst, b.idLine, b.events[:b.whole])
	}
	if b.whole < len(b.events) {
		dst = appendBatch(dst, nil, b.events[b.whole:])
	}
	*b = batch{events: b.events[:0]}
	return dst
}

// appendBatch encodes a batch, and appends it to dst in one buffer or more: large envelopes stay in the memory of their
// entries, which all clients share. Its timestamp is that of the last event.
func appendBatch(dst [][]byte, idLine []byte, events []batchedEvent) [][]byte {
	const begin, end = dataPrefix + `{"type":"` + TypeBatch + `","data":{"events":[`, "]}" + timestampKey
	last := events[len(events)-1].timestamp
	size := len(idLine) + len(begin) + len(end) + len(last) + len(frameEnd)
	for i := range events {
		if size += len(","); !isLarge(events[i].envelope) {
			size += len(events[i].envelope)
		}
	}
	b := make([]byte, 0, size)
	b = append(b, idLine...)
	b = append(b, begin...)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		if e := events[i].envelope; isLarge(e) {
			dst = append(dst, b, e)
			b = b[len(b):]
		} else {
			b = append(b, e...)
		}
	}
	b = append(b, end...)
	b = append(b, last...)
	return append(dst, append(b, frameEnd...))
}
