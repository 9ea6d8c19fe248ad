package stream

import "cmp"

// IsPublic reports whether the subscription can receive public events only, because its client has no grants.
func (s *Subscription) IsPublic() bool { return len(s.filter.grants()) == 0 }

// Criteria returns a text that two subscriptions share if and only if their clients selected the same.
func (s *Subscription) Criteria() string { return s.filter.canonical() }

// IsPublic reports whether the last Pending returned public events only.
func (p *FanOutPass) IsPublic() bool { return p.lastResult != nil && p.lastResult.isPublic }

// Attach keeps what the caller has made of the bytes of the last Pending, such as their compressed form, for the other
// subscriptions of the cohort. It lives as long as the bytes do.
func (p *FanOutPass) Attach(v any) { p.lastResult.attached = v }

// Attached returns what was attached to the bytes of the last Pending; nil if nothing was.
func (p *FanOutPass) Attached() any { return p.lastResult.attached }

// Keep returns what is left after the first n bytes of encoded, which the caller has made of the bytes of the last
// Pending, and a pin of it. The client needs it before anything else: unlike what Pending returned, encoded bytes cannot
// be cut between frames.
func (p *FanOutPass) Keep(encoded []byte, n int, s, before *Subscription, interrupt func()) ([][]byte, *Pin) {
	rest := shareOrCopy(encoded[n:], encoded)
	return rest, s.pin(rest, before, encoded, interrupt)
}

// Passage identifies what Pending has returned to a subscription: with the same limit, all subscriptions with this
// passage have received the same bytes.
type Passage struct {
	from    groupKey
	to      uint64
	toFrame int
}

// Ends reports whether the passage ends where the other one does.
func (p Passage) Ends(o Passage) bool {
	return p.from.generation == o.from.generation && p.to == o.to && p.toFrame == o.toFrame
}

// IsAfter reports whether the passage ends after the other one does.
func (p Passage) IsAfter(o Passage) bool {
	return cmp.Or(cmp.Compare(p.from.generation, o.from.generation), cmp.Compare(p.to, o.to), cmp.Compare(p.toFrame, o.toFrame)) > 0
}

// Passage returns the passage of s since before. isPublic says whether all events that s has passed are public, and
// isShared whether the passage identifies the bytes.
func (s *Subscription) Passage(before *Subscription) (p Passage, isPublic, isShared bool) {
	p = Passage{
		from: groupKey{generation: before.generation, pos: before.pos, frame: before.frame, filter: s.filter.canonical()},
		to:   s.pos, toFrame: s.frame,
	}
	isShared = before.replay == nil && s.replay == nil && before.generation == s.generation && !s.filter.merges()
	return p, s.IsPublic() || s.passedPublic(before), isShared
}

// passedPublic reports whether all events between before and s are public. It returns false if the feed has them no more.
func (s *Subscription) passedPublic(before *Subscription) bool {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	r := s.feed.buffer
	if s.generation != s.feed.generation || before.generation != s.generation || before.pos < r.first {
		return false
	}
	for pos := before.pos; pos < r.end() && (pos < s.pos || pos == s.pos && s.frame > 0); pos++ {
		if e := r.at(pos); e.inLog || !e.isPublic(true) {
			return false
		}
	}
	return true
}
