package stream

// carryOver brings the subscription to the feed's generation. It returns a *ResetError if the feed was rebuilt,
// or if the subscription has received something that a recovery has lost.
func (s *Subscription) carryOver() error {
	f := s.feed
	f.mu.RLock()
	defer f.mu.RUnlock()
	for s.generation != f.generation {
		missed := f.generation - s.generation
		reason := ResetOtherLog
		if missed <= uint64(len(f.moves)) {
			m := &f.moves[uint64(len(f.moves))-missed]
			if s.carryOverTo(m) {
				s.generation++
				continue
			}
			if m.reason != "" {
				reason = m.reason
			}
		}
		s.moveToHead()
		return &ResetError{Reason: reason}
	}
	return nil
}

// carryOverTo moves the subscription along with the feed, and returns false if that is impossible. While it catches up,
// its cursor stays: the log refuses to read after it, and CatchUp then looks for a proof. So it is if the client has
// received from another server what this one had not read: that one may have the proof.
func (s *Subscription) carryOverTo(m *move) bool {
	if m.to == "" {
		return false
	}
	state := s.replayState()
	if state.inLog {
		return true
	}
	if s.pos > m.end || s.pos == m.end && s.frame > 0 {
		return false
	}
	if !m.translate(&state.base) || !m.translate(&state.partial.cursor) {
		if s.frame > 0 || state.partial.xid != 0 {
			return false
		}
		s.setReplayState(replayState{inLog: true})
		return true
	}
	s.cursor = s.cursor.InEpoch(m.to, m.survived) // a subset of base and of what the feed has kept
	s.setReplayState(state)
	return true
}

// translate sets the epoch of a cursor, and returns false if the set may contain transactions that are lost.
func (m *move) translate(c *Cursor) bool {
	switch {
	case c.IsZero():
		return true
	case c.epoch != m.from || !c.IsProven(m.survived) && !m.head.Covers(*c):
		return false
	}
	*c = c.InEpoch(m.to, m.survived)
	return true
}
