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

// batchedEvent points into the memory of an entry, but for the end of an envelope on a stream of collections.
type batchedEvent struct{ envelope, end, timestamp []byte }

// add adds an event to the batch. A non-nil idLine says that the transaction ends with it. Once the batch is large
// enough, add appends it to dst and begins another one.
func (b *batch) add(dst [][]byte, ev batchedEvent, idLine []byte) [][]byte {
	b.events = append(b.events, ev)
	b.size += len(ev.envelope) + len(ev.end)
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
		if size += len(",") + len(events[i].end); !isLarge(events[i].envelope) {
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
		b = append(b, events[i].end...)
	}
	b = append(b, end...)
	b = append(b, last...)
	return append(dst, append(b, frameEnd...))
}
