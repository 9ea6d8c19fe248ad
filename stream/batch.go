package stream

import "time"

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
		dst = append(dst, batchFrame(b.idLine, b.events[:b.whole]))
	}
	if b.whole < len(b.events) {
		dst = append(dst, batchFrame(nil, b.events[b.whole:]))
	}
	*b = batch{events: b.events[:0]}
	return dst
}

// batchFrame encodes a batch. Its timestamp is that of the last event.
func batchFrame(idLine []byte, events []batchedEvent) []byte {
	const begin, end = dataPrefix + `{"type":"` + TypeBatch + `","data":{"events":[`, "]}" + timestampKey
	last := events[len(events)-1].timestamp
	size := len(idLine) + len(begin) + len(end) + len(last) + len(frameEnd)
	for i := range events {
		size += len(events[i].envelope) + len(",")
	}
	b := make([]byte, 0, size)
	b = append(b, idLine...)
	b = append(b, begin...)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, events[i].envelope...)
	}
	b = append(b, end...)
	b = append(b, last...)
	return append(b, frameEnd...)
}
