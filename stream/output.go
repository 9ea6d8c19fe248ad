package stream

import "math"

// output collects the bytes for a client: frames that share the entries' memory or, for a filter
// that batches, batches of them.
type output struct {
	selections []selection // of the filter
	ofRows     verdict     // all bits of its selections of collections
	bufs       [][]byte
	batch      *batch // nil if the filter does not batch
	text       []byte // what frames do not share; see reserve
	isPast     bool   // for the history: envelopes say what is known of them
}

// newOutput returns an output that appends to dst.
func (f *Filter) newOutput(dst [][]byte) output {
	o := output{bufs: dst}
	if f.criteria != nil {
		o.selections, o.ofRows = f.criteria.selections, f.criteria.ofRows
	}
	if f.batches() {
		o.batch = new(batch)
	}
	return o
}

// add appends the frames from i to before j, which must be in one block and have the verdict, and returns their size with
// the id line. A non-nil idLine stands before frame i, which must then be the only one. On a stream of selections,
// frame i is the only one in any case.
func (o *output) add(e *entry, i, j int, v verdict, idLine []byte) int {
	if o.selections != nil {
		return o.addRow(e, i, v, idLine)
	}
	chunk := e.chunk(i, j)
	switch {
	case o.batch != nil:
		for ; i < j; i++ {
			o.bufs = o.batch.add(o.bufs, batchedEvent{envelope: e.envelope(i), timestamp: e.timestamp(i)}, idLine)
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
// with, which is len(e.frames) when the entry is complete, and the number of bytes and events added.
func (e *entry) appendPending(out *output, from int, v *verdicts, idLine []byte, limit int) (next, bytes, events int) {
	last, ofLast := e.lastMatch(from, v)
	if last < 0 {
		return len(e.frames), 0, 0
	}
	if next, bytes, events = e.appendRuns(out, from, last, v, limit); bytes >= limit {
		return next, bytes, events
	}
	return len(e.frames), bytes + out.add(e, last, last+1, ofLast, idLine), events + 1
}

// appendRuns adds the selected frames from frame i to before last, until they reach limit bytes. It returns the frame to
// continue with, and the number of bytes and events added.
func (e *entry) appendRuns(out *output, i, last int, v *verdicts, limit int) (next, bytes, events int) {
	for i < last && bytes < limit {
		end, next, ofRun := e.runEnd(i, last, v, limit-bytes)
		if end > i {
			bytes += out.add(e, i, end, ofRun, nil)
			events += end - i
		}
		i = next
	}
	return i, bytes, events
}

// runEnd returns the end of the run of selected frames that begins at i, i if there is none, the next frame to look at,
// and the verdict about the run. A run ends before last, which needs an id line, at the end of a block, and when its
// bytes reach limit. On a stream of selections it has one frame.
func (e *entry) runEnd(i, last int, v *verdicts, limit int) (end, next int, ofRun verdict) {
	if ofRun = v.of(e, i); ofRun == 0 {
		return i, i + 1, 0
	}
	end = i + 1
	for !v.filter.hasSelections() && end < last && e.fitsRun(i, end, limit) {
		if v.of(e, end) == 0 {
			return end, end + 1, ofRun
		}
		end++
	}
	return end, end, ofRun
}

// fitsRun reports whether frame j is in the block of frame i, and fewer than limit bytes lie between
// the start of i and the end of j.
func (e *entry) fitsRun(i, j int, limit int) bool {
	from, to := &e.frames[i], &e.frames[j]
	return to.block == from.block && int(e.end(j)-from.start) < limit
}

// lastMatch returns the last selected frame, not before frame from, and the verdict about it; -1 if there is none.
func (e *entry) lastMatch(from int, v *verdicts) (int, verdict) {
	for i := len(e.frames) - 1; i >= from; i-- {
		if ofLast := v.of(e, i); ofLast != 0 {
			return i, ofLast
		}
	}
	return -1, 0
}

// countMatches returns the number of frames that the filter selects.
func (e *entry) countMatches(f *Filter) (n int) {
	for i := range e.frames {
		if f.judge(e, i) != 0 {
			n++
		}
	}
	return n
}

// Conflated returns a filter that, of the events that are pending at the same time, delivers only the
// newest of each type and key or, if it selects rows of collections, of each row. It delivers every event that has no key.
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
