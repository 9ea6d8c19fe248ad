package stream

// parse parses what the filter needs of the part, once for all members.
func (p *replayPart) parse(s *replays, f *Filter) {
	e := p.entry
	if f.needsFields() {
		e.fieldsOnce.Do(func() {
			e.parseFields()
			p.grow(s, e.fieldSpace)
		})
	}
	if f.hasRows() {
		e.changesOnce.Do(func() {
			e.parseChanges(s.collections)
			p.grow(s, e.changeSpace)
		})
	}
}

// grow counts n more bytes of the part.
func (p *replayPart) grow(s *replays, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.size += n
	s.bytes, s.pages = s.bytes+n, s.pages+n
}
