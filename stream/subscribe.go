package stream

import (
	"context"
	"errors"
)

// Subscribe returns a subscription that continues after the cursor, and the sync event with which the
// stream begins. With the zero Cursor it continues at the head of the feed.
//
// A cursor that cannot be honoured is not an error: Subscribe answers it with a reset. It returns an
// error if it has to read the log and cannot.
func (f *Feed) Subscribe(ctx context.Context, c Cursor, filter Filter) (*Subscription, Sync, error) {
	if c.IsZero() {
		return f.subscribeAtHead(filter), Sync{Mode: ModeLive}, nil
	}
	isRefused := false
	for {
		var err error
		if isRefused || c.epoch != f.Head().epoch {
			c, err = f.settle(ctx, c, isRefused)
		}
		if err == nil {
			var s *Subscription
			var sync Sync
			if s, sync, err = f.subscribeAfter(ctx, c, filter); err == nil {
				return s, sync, nil
			}
		}
		if errors.Is(err, ErrOtherLog) && !isRefused {
			isRefused = true // a recovery that the feed is about to follow
			continue
		}
		if reason := resetReason(err); reason != "" {
			s, sync := f.SubscribeReset(filter, reason)
			return s, sync, nil
		}
		return nil, Sync{}, err
	}
}

// subscribeAfter subscribes after a cursor of the feed's epoch.
func (f *Feed) subscribeAfter(ctx context.Context, c Cursor, filter Filter) (*Subscription, Sync, error) {
	if s, events, ok := f.subscribeInFeed(c, filter); ok {
		return s, resumed(c, events), nil
	}
	var events int
	err := f.replays.query(ctx, func() (err error) { events, err = f.log.Check(ctx, c); return err })
	if err != nil {
		return nil, Sync{}, err
	}
	if filter.isSelective() && events != 0 {
		events = -1
	}
	return f.subscribeInLog(c, filter), resumed(c, events), nil
}

// SubscribeUnchecked returns a subscription that continues after the cursor, which it does not check: it is
// for a log that cannot be read. Pending returns ErrBehind, and CatchUp a *ResetError if the log cannot
// honour the cursor.
func (f *Feed) SubscribeUnchecked(c Cursor, filter Filter) *Subscription {
	return f.subscribeInLog(c, filter)
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

// resumed returns the sync event of a client that continues after c; a negative number of events means that it
// is not known.
func resumed(c Cursor, events int) Sync {
	sync := Sync{Mode: ModeResumed, Repeats: c.IsCut()}
	if events >= 0 {
		sync.Events = &events
	}
	return sync
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
	n, base := 0, s.base()
	for pos := s.pos; pos < s.feed.buffer.end(); pos++ {
		e := s.feed.buffer.at(pos)
		if base.Seen(e.xid) {
			continue
		}
		if e.inLog {
			return -1
		}
		s.feed.parse(e, &s.filter)
		n += e.countMatches(&s.filter)
	}
	return n
}
