package stream

import "math"

// Subscription is a position in a feed, and a filter. It has no queue and no goroutine: whoever
// holds it asks what is due. It must not be used by two goroutines at once.
type Subscription struct {
	feed       *Feed
	filter     Filter
	generation uint64 // of the feed when pos was set
	pos        uint64 // the next entry
	frame      int    // its next frame; while the log is read, above 0 if a transaction was sent in part

	// cursor is what the client has seen once it has all that Due returned. It stays before an
	// entry until that is complete.
	cursor Cursor
	sent   uint64 // events returned so far
	aside  *aside // nil for most
}

// aside is what few subscriptions have, so that a hundred thousand others need no memory for it. It
// never changes, since copies of a subscription share it: see put.
type aside struct {
	// start is where the subscription began, while that has seen what the feed's cursors have
	// not: by reading the log, or at another server that was ahead. Zero once it is passed.
	start   Cursor
	partial partial // a transaction whose remaining events must come from the log
	reading Reading // begun by Subscribe, for CatchUp to use
}

// partial is a transaction that was sent in part.
type partial struct {
	xid    uint64
	after  int64  // the last event sent
	cursor Cursor // after the transaction
}

// get returns what is put aside.
func (s *Subscription) get() aside {
	if s.aside == nil {
		return aside{}
	}
	return *s.aside
}

// put puts a aside, instead of what was.
func (s *Subscription) put(a aside) {
	s.aside = nil
	if !a.start.IsZero() || a.partial.xid != 0 || a.reading != nil {
		s.aside = &a
	}
}

func (s *Subscription) putStart(c Cursor) {
	a := s.get()
	a.start = c
	s.put(a)
}

func (s *Subscription) putPartial(p partial) {
	a := s.get()
	a.partial = p
	s.put(a)
}

// Cursor is what the client has seen once it has everything that was returned so far.
func (s *Subscription) Cursor() Cursor { return s.cursor }

// Sent is how many events of the log were returned so far.
func (s *Subscription) Sent() uint64 { return s.sent }

// Due appends what is due, about limit bytes at the most, and moves on. It appends nothing when
// nothing is due: wait for Feed.Changed then. The bytes are shared and must not be changed.
//
// It returns ErrBehind or a *ResetError when the feed cannot serve the subscription as it is.
func (s *Subscription) Pending(dst [][]byte, limit int) ([][]byte, error) {
	return s.due(dst, limit, math.MaxUint64)
}

// due is Due for what stands before the given position.
func (s *Subscription) due(dst [][]byte, limit int, end uint64) ([][]byte, error) {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	r := s.feed.ring
	if s.generation != s.feed.generation {
		s.moveToHead()
		return dst, &ResetError{Reason: s.feed.reason}
	}
	if s.get().reading != nil || s.pos < r.first {
		return dst, ErrBehind
	}
	if s.filter.merges() {
		return s.dueMerged(dst, limit, end)
	}
	c := choice{filter: &s.filter}
	return s.dueChosen(dst, limit, end, &c)
}

// dueMerged is due for a client that wants less than everything. The feed's mu must be held.
func (s *Subscription) dueMerged(dst [][]byte, limit int, end uint64) ([][]byte, error) {
	if s.filter.batches() {
		limit = min(limit, batchBytes)
	}
	c := s.choice(end)
	bufs, err := s.dueChosen(nil, limit, end, &c)
	if s.filter.batches() {
		bufs = batched(bufs)
	}
	return append(dst, bufs...), err
}

// dueChosen is due, once it is known what to choose. The feed's mu must be held.
func (s *Subscription) dueChosen(dst [][]byte, limit int, end uint64, c *choice) ([][]byte, error) {
	r := s.feed.ring
	for n := 0; s.pos < min(r.end(), end) && n < limit; {
		e := r.at(s.pos)
		if s.aside != nil && s.aside.start.Seen(e.xid) {
			s.pass(e)
			continue
		}
		if e.inLog {
			if n > 0 {
				return dst, nil
			}
			s.putPartial(partial{xid: e.xid, cursor: e.cursor})
			return dst, ErrBehind
		}
		if s.filter.reads() {
			r.index(e)
		}
		from, bytes := s.frame, 0
		dst, s.frame, bytes = e.due(dst, from, c, s.idOf(e), limit-n)
		n += bytes
		s.sent += uint64(e.matches(from, s.frame, c))
		if s.frame < len(e.frames) {
			s.putPartial(partial{xid: e.xid, after: e.lastSent(s.frame), cursor: e.cursor})
			return dst, nil
		}
		s.pass(e)
	}
	if s.pos == r.end() {
		s.moveTo(r.head)
	}
	return dst, nil
}

// lastSent is the id of the event before the given frame.
func (e *entry) lastSent(frame int) int64 {
	if frame == 0 {
		return 0
	}
	return e.frames[frame-1].id
}

// idOf returns the id line for the entry: the shared one, unless the client has already seen
// more than the feed had at that point.
func (s *Subscription) idOf(e *entry) []byte {
	start := s.get().start
	if start.IsZero() {
		return e.id
	}
	return appendID(nil, start.Union(e.cursor))
}

// pass moves on to the next entry.
func (s *Subscription) pass(e *entry) {
	s.pos++
	s.frame = 0
	if s.aside != nil {
		s.putPartial(partial{})
	}
	s.moveTo(e.cursor)
}

// moveTo sets the cursor to one of the feed's, keeping what the client had seen before.
func (s *Subscription) moveTo(c Cursor) {
	start := s.get().start
	switch {
	case start.IsZero():
		s.cursor = c
	case c.Covers(start):
		s.putStart(Cursor{})
		s.cursor = c
	default:
		s.cursor = start.Union(c)
	}
}

// moveToHead puts the subscription at the end of the feed, whatever it was due. The feed's mu must
// be held.
func (s *Subscription) moveToHead() {
	*s = Subscription{
		feed: s.feed, filter: s.filter, generation: s.feed.generation, sent: s.sent,
		pos: s.feed.ring.end(), cursor: s.feed.ring.head,
	}
}

// join continues in the feed after s.cursor; false if the feed does not reach back so far. The
// feed's mu must be held.
func (s *Subscription) join() bool {
	pos, ok := s.feed.ring.seek(s.cursor)
	if !ok {
		return false
	}
	s.pos, s.frame = pos, 0
	start := s.cursor
	if s.feed.ring.before(pos).Covers(start) {
		start = Cursor{}
	}
	s.putStart(start)
	return true
}
