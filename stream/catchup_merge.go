package stream

// merging is whole transactions from the log that wait to be sent together.
type merging struct {
	entries []*entry
	size    int
}

func (m *merging) add(t *Transaction, reads bool) {
	e := &entry{xid: t.XID}
	e.add(t)
	if reads {
		e.index()
	}
	e.finish(t)
	m.entries = append(m.entries, e)
	m.size += e.length
}

// emitMerged sends what waits, and forgets it.
func (s *Subscription) emitMerged(m *merging, emit func([][]byte) error) error {
	if len(m.entries) == 0 {
		return nil
	}
	c := choice{filter: &s.filter}
	if s.filter.conflates() {
		c.newest = make(newest)
		for _, e := range m.entries {
			c.newest.note(e, 0, &s.filter)
		}
	}
	var bufs [][]byte
	for _, e := range m.entries {
		bufs, _, _ = e.due(bufs, 0, &c, e.id, 1<<62)
		s.sent += uint64(e.matches(0, len(e.frames), &c))
	}
	after := m.entries[len(m.entries)-1].cursor
	*m = merging{}
	if len(bufs) == 0 {
		s.cursor = after
		return emit(nil)
	}
	if err := emit(bufs); err != nil {
		return err
	}
	s.cursor = after
	return nil
}

// inBatches hands on what it is given as batches.
func inBatches(emit func([][]byte) error) func([][]byte) error {
	return func(bufs [][]byte) error {
		if len(bufs) > 0 {
			bufs = batched(bufs)
		}
		return emit(bufs)
	}
}
