package stream

import "math"

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
	base := s.replayState().base
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
