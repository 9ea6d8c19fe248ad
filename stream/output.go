package stream

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
