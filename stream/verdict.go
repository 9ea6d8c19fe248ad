package stream

// verdict says what a client gets of an event: an outcome for each of its selections, four bits each. A plain stream
// counts as one selection of events.
type verdict uint64

// outcome says what a selection gets of an event.
type outcome uint8

const (
	nothing  outcome = iota
	whole            // the event, with its own op
	entered          // the row has come into the selection: an insert
	left             // the row has left it: a delete without data
	reloaded         // the row is not known: a reset without data
)

// at returns the verdict with this outcome for selection n alone.
func (o outcome) at(n int) verdict { return verdict(o) << (4 * n) }

// of returns the outcome for selection n.
func (v verdict) of(n int) outcome { return outcome(v>>(4*n)) & 15 }

// has reports whether a selection has this outcome.
func (v verdict) has(o outcome) bool {
	for ; v != 0; v >>= 4 {
		if v.of(0) == o {
			return true
		}
	}
	return false
}

// mask returns the verdict with all bits set for each selection that gets something.
func (v verdict) mask() verdict { return (v | v>>1 | v>>2 | v>>3) & 0x1111_1111_1111_1111 * 15 }

// verdicts gives a filter's verdicts about the frames of a run of entries.
type verdicts struct {
	filter *Filter
	newest *newestFrames // nil if the filter does not conflate
}

// of returns the verdict about frame i of the entry. It is not free: call it once.
func (v *verdicts) of(e *entry, i int) verdict {
	if v.newest != nil {
		return v.newest.verdicts[frameRef{e, i}]
	}
	return v.filter.judge(e, i)
}

// newestFrames holds the verdicts about the frames that a filter which conflates delivers: for each selection the newest
// of each row, and those without a key. Of a plain stream and of a selection of events, a row is a type and a key.
type newestFrames struct {
	verdicts map[frameRef]verdict
	seen     map[rowRef]verdict // by the frames that were added, which are newer: a mask of the selections
}

type frameRef struct {
	entry *entry
	frame int
}

type rowRef struct{ group, key string }

func newNewestFrames() *newestFrames {
	return &newestFrames{verdicts: make(map[frameRef]verdict), seen: make(map[rowRef]verdict)}
}

// add adds the frames of an entry, beginning with frame from. Entries must be added in the reverse order of the log.
func (n *newestFrames) add(e *entry, from int, f *Filter) {
	for i := len(e.frames) - 1; i >= from; i-- {
		v := f.judge(e, i)
		if v == 0 {
			continue
		}
		rows := verdict(0)
		if f.hasRows() {
			rows = v & f.criteria.ofRows
		}
		fr := &e.frames[i]
		v = n.take(rowRef{fr.eventType, fr.key}, v&^rows)
		if rows != 0 {
			v |= n.take(rowOf(e, i), rows)
		}
		if v != 0 {
			n.verdicts[frameRef{e, i}] = v
		}
	}
}

// take returns the verdict without the selections that have a newer event of the row. Selections of events and of
// collections share the map, and have bits of their own.
func (n *newestFrames) take(row rowRef, v verdict) verdict {
	if v == 0 || row.key == "" {
		return v
	}
	seen := n.seen[row]
	n.seen[row] = seen | v.mask()
	return v &^ seen
}

// rowOf says which row of a collection frame i is about. The key is empty if that is not known.
func rowOf(e *entry, i int) rowRef {
	if c := &e.changes[i]; c.collection != nil && e.frames[i].isOfRow() {
		return rowRef{c.collection.Name, e.frames[i].key}
	}
	return rowRef{}
}

// verdictsBefore returns the verdicts about the entries before the given position. The caller must hold the feed's mu.
func (s *Subscription) verdictsBefore(end uint64) verdicts {
	v := verdicts{filter: &s.filter}
	if !s.filter.conflates() {
		return v
	}
	r, base := s.feed.buffer, s.base()
	last := s.pos
	for last < min(r.end(), end) && !r.at(last).inLog {
		last++
	}
	v.newest = newNewestFrames()
	for pos := last; pos > s.pos; pos-- {
		e, from := r.at(pos-1), 0
		if base.Seen(e.xid) {
			continue
		}
		if pos-1 == s.pos {
			from = s.frame
		}
		s.feed.parse(e, &s.filter)
		v.newest.add(e, from, &s.filter)
	}
	return v
}

// verdictsOf returns the verdicts about entries that come from the log.
func (f *Filter) verdictsOf(entries []*entry) verdicts {
	v := verdicts{filter: f}
	if f.conflates() {
		v.newest = newNewestFrames()
		for i := len(entries) - 1; i >= 0; i-- {
			v.newest.add(entries[i], 0, f)
		}
	}
	return v
}
