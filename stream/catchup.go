package stream

import (
	"context"
	"errors"
)

// replayState holds what a subscription needs only while it catches up, and afterwards until the
// feed's cursors cover what it has seen. It is allocated apart, because few of a hundred thousand
// subscriptions need it at a time, and immutable, since copies of a subscription share it.
type replayState struct {
	// base is the client's cursor when the subscription joined the feed or a replay. It is set only as
	// long as it contains transactions that the cursors there do not: the client has read the log, or was
	// connected to a server that was ahead. It is zero otherwise.
	base    Cursor
	partial partialTransaction // CatchUp reads the rest of it from the log; zero if there is none
	inLog   bool               // the subscription has no position in the feed
}

// partialTransaction is a transaction that was sent in part.
type partialTransaction struct {
	xid    uint64
	after  int64  // the id of the last event sent
	cursor Cursor // after the transaction
}

func (s *Subscription) replayState() replayState {
	if s.replay == nil {
		return replayState{}
	}
	return *s.replay
}

func (s *Subscription) setReplayState(r replayState) {
	s.replay = nil
	if !r.base.IsZero() || r.partial.xid != 0 || r.inLog {
		s.replay = &r
	}
}

func (s *Subscription) setBase(c Cursor) {
	r := s.replayState()
	r.base = c
	s.setReplayState(r)
}

func (s *Subscription) setPartial(p partialTransaction) {
	r := s.replayState()
	r.partial = p
	s.setReplayState(r)
}

// CatchUp reads the pending events from the log and passes them to the client, until the feed can continue
// the subscription. After a transaction of which the filter matches no event, and while it waits, CatchUp
// calls Emit with no bytes.
//
// CatchUp returns Emit's error unchanged. It returns a *ResetError if the log no longer reaches back
// to the subscription, and the log's error if the log cannot be read, or that of ctx: a later call continues
// where this one ended. After an error of Emit, the subscription is of no use: the client may have received
// a part of the bytes.
func (s *Subscription) CatchUp(ctx context.Context, client CatchUpClient) error {
	s.feed.countCatchUp()
	m := s.feed.replays.enter(&s.filter, client)
	defer m.leave()
	err := s.catchUp(ctx, m)
	for errors.Is(err, ErrOtherLog) {
		if failed := s.resolve(ctx); failed != nil {
			err = failed
			break
		}
		err = s.catchUp(ctx, m)
	}
	if reason := resetReason(err); reason != "" {
		s.feed.mu.RLock()
		defer s.feed.mu.RUnlock()
		s.moveToHead()
		return &ResetError{Reason: reason}
	}
	if err != nil { // Pending must not touch what CatchUp has begun
		r := s.replayState()
		r.inLog = true
		s.setReplayState(r)
	}
	return err
}

// resolve brings the subscription to the present epoch of the log, after a recovery.
func (s *Subscription) resolve(ctx context.Context) error {
	cursor, state := s.cursor, s.replayState()
	for _, c := range []*Cursor{&cursor, &state.base, &state.partial.cursor} {
		if c.IsZero() {
			continue
		}
		resolved, err := s.feed.settle(ctx, *c, c.epoch == s.cursor.epoch)
		if err != nil {
			return err
		}
		*c = resolved
	}
	state.inLog = true
	s.cursor = cursor
	s.setReplayState(state)
	f := s.feed
	f.mu.RLock()
	defer f.mu.RUnlock()
	if s.cursor.epoch == f.buffer.head.epoch {
		s.generation = f.generation
	}
	return nil
}

func (f *Feed) countCatchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.CatchUps++
}

func (s *Subscription) catchUp(ctx context.Context, m *member) error {
	for {
		err := s.completePartial(ctx, m)
		if err == nil {
			if s.continueInFeed() {
				return nil
			}
			err = s.readLog(ctx, m)
		}
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
}

// continueInFeed joins the feed and returns true if the feed covers the cursor. It also returns true
// after the feed was rebuilt: the next Pending returns the *ResetError.
func (s *Subscription) continueInFeed() bool {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	return s.generation != s.feed.generation || s.joinFeed()
}

// completePartial reads the missing events of a transaction that was sent in part. They come before
// everything else, so that nothing stands between the events of a transaction.
func (s *Subscription) completePartial(ctx context.Context, m *member) error {
	state := s.replayState()
	p, after := state.partial, state.partial.cursor
	if p.xid == 0 {
		return nil
	}
	if !state.base.IsZero() {
		after = after.Union(state.base)
	}
	if err := m.shared.join(ctx, m, source{from: p.cursor, xid: p.xid, after: p.after}); err != nil {
		return err
	}
	if _, err := s.follow(ctx, m, &emitter{sub: s, member: m, after: after, skip: p.after}); err != nil {
		return err
	}
	s.cursor, s.frame = after, 0
	s.setReplayState(replayState{inLog: true})
	return nil
}

// readLog reads everything from the log that is visible now and that the cursor has not seen.
func (s *Subscription) readLog(ctx context.Context, m *member) error {
	s.setReplayState(replayState{inLog: true})
	if err := m.shared.join(ctx, m, source{from: s.cursor}); err != nil {
		return err
	}
	if m.isCut || !m.before.Covers(s.cursor) {
		s.setBase(s.cursor)
	}
	end, err := s.follow(ctx, m, &emitter{sub: s, member: m})
	if err != nil {
		return err
	}
	s.moveTo(end)
	return nil
}

// follow emits what the member's replay yields, and returns the cursor after it. If the replay lost the next
// part, the subscription can go on from its cursor or its partial transaction.
func (s *Subscription) follow(ctx context.Context, m *member, out *emitter) (Cursor, error) {
	m.flush = out.emitMerged
	defer func() {
		m.flush = nil
		m.detach()
	}()
	for {
		p, err := m.next(ctx)
		if err == nil {
			if err = out.add(p); err != nil {
				return Cursor{}, err
			}
			continue
		}
		if IsEnd(err) || errors.Is(err, errLost) {
			if failed := out.emitMerged(); failed != nil {
				return Cursor{}, failed
			}
		}
		if IsEnd(err) {
			return m.replay.last, nil
		}
		out.interrupt()
		return Cursor{}, err
	}
}
