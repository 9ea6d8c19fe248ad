package stream

import (
	"errors"
	"math"
)

// ErrBehind is returned by Pending when the feed does not hold the next events: call CatchUp.
var ErrBehind = errors.New("subscription is behind the feed")

// Subscription is a position in a feed and a filter. It has no queue and no goroutine: its owner
// calls Pending. Only one goroutine at a time may use it.
type Subscription struct {
	feed       *Feed
	filter     Filter
	generation uint64 // of the feed when pos was set
	pos        uint64 // of the next entry
	// frame is the next frame of that entry. During a catch-up it only says whether a transaction
	// was sent in part: it is above 0 then.
	frame int

	// cursor contains the transactions that the client has seen once it has received everything that
	// was returned. It changes only when a transaction is complete.
	cursor Cursor
	sent   uint64       // events returned
	replay *replayState // nil for most; immutable, since copies of the subscription share it
}

// base returns replayState.base, and isInLog replayState.inLog.
func (s *Subscription) base() Cursor {
	if s.replay == nil {
		return Cursor{}
	}
	return s.replay.base
}

func (s *Subscription) isInLog() bool { return s.replay != nil && s.replay.inLog }

// Cursor returns what the client has seen once it has received everything that was returned.
func (s *Subscription) Cursor() Cursor { return s.cursor }

// Sent returns the number of events of the log that were returned.
func (s *Subscription) Sent() uint64 { return s.sent }

// Pending appends the pending events to dst, up to about limit bytes, and moves on. If it appends
// nothing, nothing is pending: wait for Feed.Changed. The caller must not change the bytes, which
// subscriptions share.
//
// It returns ErrBehind or a *ResetError if the feed cannot continue the subscription.
func (s *Subscription) Pending(dst [][]byte, limit int) ([][]byte, error) {
	for {
		out, err := s.pendingBefore(dst, limit, math.MaxUint64)
		if !errors.Is(err, errMoved) {
			return out, err
		}
		if err := s.carryOver(); err != nil {
			return dst, err
		}
	}
}

// errMoved says that the feed has moved on to another generation: see carryOver.
var errMoved = errors.New("the feed is of another generation")

// pendingBefore is Pending for the entries before position end. It returns errMoved instead of a *ResetError.
func (s *Subscription) pendingBefore(dst [][]byte, limit int, end uint64) ([][]byte, error) {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	if s.generation != s.feed.generation {
		return dst, errMoved
	}
	if s.isInLog() || s.pos < s.feed.buffer.first {
		return dst, ErrBehind
	}
	if s.filter.batches() {
		limit = min(limit, batchBytes)
	}
	out, v := s.filter.newOutput(dst), s.verdictsBefore(end)
	err := s.appendPending(&out, limit, end, &v)
	return out.finish(), err
}

// appendPending adds the selected frames of the entries before position end to out. The caller must
// hold the feed's mu.
func (s *Subscription) appendPending(out *output, limit int, end uint64, v *verdicts) error {
	r := s.feed.buffer
	for n := 0; s.pos < min(r.end(), end) && n < limit; {
		e := r.at(s.pos)
		if s.replay != nil && s.replay.base.Seen(e.xid) {
			s.moveBehind(e)
			continue
		}
		if e.inLog {
			if n > 0 {
				return nil
			}
			s.setPartial(partialTransaction{xid: e.xid, cursor: e.cursor})
			return ErrBehind
		}
		s.feed.parse(e, &s.filter)
		next, bytes, events := e.appendPending(out, s.frame, v, s.idLineOf(e), limit-n)
		s.frame = next
		n += bytes
		s.sent += uint64(events)
		if next < len(e.frames) {
			s.setPartial(partialTransaction{xid: e.xid, after: e.eventIDBefore(next), cursor: e.cursor})
			return nil
		}
		s.moveBehind(e)
	}
	if s.pos == r.end() {
		s.moveTo(r.head)
	}
	return nil
}

// idLineOf returns the id line for the entry. It is the one that subscriptions share, unless the
// client has seen transactions that come later in the feed.
func (s *Subscription) idLineOf(e *entry) []byte {
	base := s.base()
	if base.IsZero() {
		return e.idLine
	}
	return appendID(nil, base.Union(e.cursor))
}

// moveBehind moves to the next entry.
func (s *Subscription) moveBehind(e *entry) {
	s.pos++
	s.frame = 0
	if s.replay != nil {
		s.setPartial(partialTransaction{})
	}
	s.moveTo(e.cursor)
}

// moveTo sets the cursor to the union of base and c, a cursor of the feed. It drops base once c covers
// it: the later cursors of the feed cover it too.
func (s *Subscription) moveTo(c Cursor) {
	base := s.base()
	switch {
	case base.IsZero():
		s.cursor = c
	case c.Covers(base):
		s.setBase(Cursor{})
		s.cursor = c
	default:
		s.cursor = base.Union(c)
	}
}

// moveToHead moves to the end of the feed and skips what is pending. The caller must hold the feed's
// mu.
func (s *Subscription) moveToHead() {
	*s = Subscription{
		feed: s.feed, filter: s.filter, generation: s.feed.generation, sent: s.sent,
		pos: s.feed.buffer.end(), cursor: s.feed.buffer.head,
	}
}

// advanceToHead sets the cursor to the head of the feed if no entry is pending: Feed.setHead, which
// closes holes, signals no change.
func (s *Subscription) advanceToHead() {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	r := s.feed.buffer
	if s.generation == s.feed.generation && !s.isInLog() && s.cursor.Covers(r.cursorBefore(r.end())) {
		s.moveTo(r.head)
	}
}

// joinFeed continues in the feed after s.cursor. It returns false if the feed does not cover the
// cursor. The caller must hold the feed's mu.
//
// s.cursor may contain entries behind the new position. It then becomes the base.
func (s *Subscription) joinFeed() bool {
	pos, ok := s.feed.buffer.seek(s.cursor)
	if !ok {
		return false
	}
	s.pos, s.frame = pos, 0
	base := s.cursor
	if s.feed.buffer.cursorBefore(pos).Covers(base) {
		base = Cursor{}
	}
	s.setReplayState(replayState{base: base})
	return true
}
