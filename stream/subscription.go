package stream

import (
	"context"
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

// Subscribe returns a subscription that continues after the cursor, and the sync event with which the
// stream begins. With the zero Cursor it continues at the head of the feed.
//
// A cursor that cannot be honoured is not an error: Subscribe answers it with a reset. It returns an
// error if it has to read the log and cannot.
func (f *Feed) Subscribe(ctx context.Context, c Cursor, filter Filter) (*Subscription, Sync, error) {
	if c.IsZero() {
		return f.subscribeAtHead(filter), Sync{Mode: ModeLive}, nil
	}
	if s, events, ok := f.subscribeInFeed(c, filter); ok {
		return s, resumed(events), nil
	}
	var events int
	err := f.replays.query(ctx, func() (err error) { events, err = f.log.Check(ctx, c); return err })
	if reason := resetReason(err); reason != "" {
		s, sync := f.SubscribeReset(filter, reason)
		return s, sync, nil
	}
	if err != nil {
		return nil, Sync{}, err
	}
	if filter.isSelective() && events != 0 {
		events = -1
	}
	return f.subscribeInLog(c, filter), resumed(events), nil
}

// SubscribeReset returns a subscription at the head of the feed for a client whose cursor cannot be
// honoured, and the sync event that says so.
func (f *Feed) SubscribeReset(filter Filter, reason ResetReason) (*Subscription, Sync) {
	return f.subscribeAtHead(filter), Sync{Mode: ModeReset, Reason: reason}
}

// CanResumeFromMemory reports whether Subscribe can continue after c without reading the log, which may
// take a while.
func (f *Feed) CanResumeFromMemory(c Cursor) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return c.IsZero() || c.next <= f.buffer.head.next && f.buffer.covers(c)
}

// resumed returns a sync event; a negative number of events means that it is not known.
func resumed(events int) Sync {
	if events < 0 {
		return Sync{Mode: ModeResumed}
	}
	return Sync{Mode: ModeResumed, Events: &events}
}

func (f *Feed) subscribeAtHead(filter Filter) *Subscription {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := &Subscription{feed: f, filter: filter}
	s.moveToHead()
	return s
}

// subscribeInFeed also returns the number of pending events, -1 if it is not known. It returns false
// if the feed does not cover c, or cannot decide whether c lies in the future.
func (f *Feed) subscribeInFeed(c Cursor, filter Filter) (*Subscription, int, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if c.next > f.buffer.head.next {
		return nil, 0, false
	}
	s := &Subscription{feed: f, filter: filter, generation: f.generation, cursor: c}
	if !s.joinFeed() {
		return nil, 0, false
	}
	return s, s.countPending(), true
}

func (f *Feed) subscribeInLog(c Cursor, filter Filter) *Subscription {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return &Subscription{feed: f, filter: filter, generation: f.generation, cursor: c, replay: &replayState{inLog: true}}
}

// countPending returns the number of pending events. It returns -1 if it would have to read the log
// to count them, or if the number depends on later events. The caller must hold the feed's mu.
func (s *Subscription) countPending() int {
	if s.filter.conflates() {
		return -1
	}
	n, sel, base := 0, selection{filter: &s.filter}, s.base()
	for pos := s.pos; pos < s.feed.buffer.end(); pos++ {
		e := s.feed.buffer.at(pos)
		if base.Seen(e.xid) {
			continue
		}
		if e.inLog {
			return -1
		}
		if s.filter.needsFields() {
			s.feed.buffer.parseFields(e)
		}
		n += e.countMatches(0, len(e.frames), &sel)
	}
	return n
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
	return s.pendingBefore(dst, limit, math.MaxUint64)
}

// pendingBefore is Pending for the entries before position end.
func (s *Subscription) pendingBefore(dst [][]byte, limit int, end uint64) ([][]byte, error) {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	if s.generation != s.feed.generation {
		s.moveToHead()
		return dst, &ResetError{Reason: s.feed.resetReason}
	}
	if s.isInLog() || s.pos < s.feed.buffer.first {
		return dst, ErrBehind
	}
	if s.filter.batches() {
		limit = min(limit, batchBytes)
	}
	out, sel := s.filter.newOutput(dst), s.selectBefore(end)
	err := s.appendPending(&out, limit, end, &sel)
	return out.finish(), err
}

// appendPending adds the selected frames of the entries before position end to out. The caller must
// hold the feed's mu.
func (s *Subscription) appendPending(out *output, limit int, end uint64, sel *selection) error {
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
		if s.filter.needsFields() {
			r.parseFields(e)
		}
		from := s.frame
		next, bytes := e.appendPending(out, from, sel, s.idLineOf(e), limit-n)
		s.frame = next
		n += bytes
		s.sent += uint64(e.countMatches(from, next, sel))
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
