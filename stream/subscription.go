package stream

import (
	"context"
	"errors"
	"io"
)

// Subscription is a position in a feed, and a filter. It has no queue and no goroutine: whoever
// holds it asks what is due. It must not be used by two goroutines at once.
type Subscription struct {
	feed       *Feed
	filter     Filter
	generation uint64 // of the feed when pos was set
	pos        uint64 // the next entry
	frame      int    // its next frame

	// cursor is what the client has seen once it has all that Due returned. It stays before an
	// entry until that is complete.
	cursor Cursor
	// start is where the subscription began, while that has seen what the feed's cursors have
	// not: by reading the log, or at another server that was ahead. Zero once it is passed.
	start Cursor

	partial partial // a transaction whose remaining events must come from the log
	reading Reading // begun by Subscribe, for CatchUp to use
}

// partial is a transaction that was sent in part.
type partial struct {
	xid    uint64
	after  int64  // the last event sent
	cursor Cursor // after the transaction
}

// Cursor is what the client has seen once it has everything that was returned so far.
func (s *Subscription) Cursor() Cursor { return s.cursor }

// Due appends what is due, about limit bytes at the most, and moves on. It appends nothing when
// nothing is due: wait for Feed.Changed then. The bytes are shared and must not be changed.
//
// It returns ErrBehind or a *ResetError when the feed cannot serve the subscription as it is.
func (s *Subscription) Due(dst [][]byte, limit int) ([][]byte, error) {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	r := s.feed.ring
	if s.generation != s.feed.generation {
		s.moveToHead()
		return dst, &ResetError{Reason: s.feed.reason}
	}
	if s.reading != nil || s.pos < r.first {
		return dst, ErrBehind
	}
	for n := 0; s.pos < r.end() && n < limit; {
		e := r.at(s.pos)
		if s.start.Seen(e.xid) {
			s.pass(e)
			continue
		}
		if e.inLog {
			if n > 0 {
				return dst, nil
			}
			s.partial = partial{xid: e.xid, cursor: e.cursor}
			return dst, ErrBehind
		}
		var sent int
		dst, s.frame, sent = e.due(dst, s.frame, &s.filter, s.idOf(e), limit-n)
		n += sent
		if s.frame < len(e.frames) {
			s.partial = partial{xid: e.xid, after: e.lastSent(s.frame), cursor: e.cursor}
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
	if s.start.IsZero() {
		return e.id
	}
	return appendID(nil, s.start.Union(e.cursor))
}

// pass moves on to the next entry.
func (s *Subscription) pass(e *entry) {
	s.pos++
	s.frame = 0
	s.partial = partial{}
	s.moveTo(e.cursor)
}

// moveTo sets the cursor to one of the feed's, keeping what the client had seen before.
func (s *Subscription) moveTo(c Cursor) {
	if s.start.IsZero() || c.Covers(s.start) {
		s.start, s.cursor = Cursor{}, c
		return
	}
	s.cursor = s.start.Union(c)
}

// moveToHead puts the subscription at the end of the feed, whatever it was due. The feed's mu must
// be held.
func (s *Subscription) moveToHead() {
	*s = Subscription{feed: s.feed, filter: s.filter, generation: s.feed.generation, pos: s.feed.ring.end(), cursor: s.feed.ring.head}
}

// join continues in the feed after s.cursor; false if the feed does not reach back so far. The
// feed's mu must be held.
func (s *Subscription) join() bool {
	pos, ok := s.feed.ring.seek(s.cursor)
	if !ok {
		return false
	}
	s.pos, s.frame, s.start = pos, 0, s.cursor
	before := s.feed.ring.floor
	if pos > s.feed.ring.first {
		before = s.feed.ring.at(pos - 1).cursor
	}
	if before.Covers(s.cursor) {
		s.start = Cursor{}
	}
	return true
}

// CatchUp reads what is due from the log and hands it to emit, until the feed can serve the
// subscription again. The bytes given to emit are valid until it returns. There are none when the
// filter lets nothing of a transaction through: the cursor has moved on, and this is the time for a
// heartbeat.
//
// It returns emit's error as it is, a *ResetError if the log no longer reaches back to the
// subscription, and the log's error if that does not answer: the client then resumes later.
func (s *Subscription) CatchUp(ctx context.Context, emit func([][]byte) error) error {
	s.feed.countReplay()
	err := s.finishPartial(ctx, emit)
	for err == nil && !s.rejoin() {
		err = s.readOn(ctx, emit)
	}
	if reason := resetReason(err); reason != "" {
		s.feed.mu.RLock()
		defer s.feed.mu.RUnlock()
		s.moveToHead()
		return &ResetError{Reason: reason}
	}
	return err
}

func (f *Feed) countReplay() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Replays++
}

// rejoin is true when Due can go on: it will, or it will return a *ResetError.
func (s *Subscription) rejoin() bool {
	if s.reading != nil {
		return false
	}
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	return s.generation != s.feed.generation || s.join()
}

// finishPartial reads the events that are missing of a transaction that was sent in part, so
// that nothing comes between them.
func (s *Subscription) finishPartial(ctx context.Context, emit func([][]byte) error) error {
	p := s.partial
	if p.xid == 0 {
		return nil
	}
	r, err := s.query(ctx, func() (Reading, error) { return s.feed.log.Rest(ctx, p.cursor.epoch, p.xid, p.after) })
	if err != nil {
		return err
	}
	after := p.cursor
	if !s.start.IsZero() {
		after = after.Union(s.start)
	}
	if err := s.replay(ctx, r, emit, after); err != nil {
		return err
	}
	s.cursor, s.start, s.partial, s.frame = after, Cursor{}, partial{}, 0
	return nil
}

// readOn reads once from the log all that the cursor has not seen.
func (s *Subscription) readOn(ctx context.Context, emit func([][]byte) error) error {
	r := s.reading
	if r == nil {
		var err error
		if r, err = s.query(ctx, func() (Reading, error) { return s.feed.log.Read(ctx, s.cursor) }); err != nil {
			return err
		}
	}
	if err := s.replay(ctx, r, emit, Cursor{}); err != nil {
		return err
	}
	s.reading, s.cursor = nil, r.Cursor()
	return nil
}

// replay emits what the reading yields, in parts no larger than a page. after is the cursor at
// the end of a reading of a single transaction, which does not know it.
func (s *Subscription) replay(ctx context.Context, r Reading, emit func([][]byte) error, after Cursor) error {
	var held entry // frames held back, since the id line belongs on the last that is sent
	for {
		t, err := s.next(ctx, r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.emit(&held, &t, emit, after); err != nil {
			return err
		}
	}
}

// emit sends a part of a transaction but for its last matching frame, which is held back until
// it is known whether it is the transaction's last and so carries the id.
func (s *Subscription) emit(held *entry, t *Transaction, emit func([][]byte) error, after Cursor) error {
	held.add(t)
	last := held.lastMatch(&s.filter)
	if t.More {
		return s.emitHeld(held, last, emit)
	}
	if !after.IsZero() {
		t.Cursor = after
	}
	held.finish(t)
	bufs, _, _ := held.due(nil, 0, &s.filter, held.id, 1<<62)
	*held = entry{}
	if len(bufs) == 0 {
		s.cursor = t.Cursor
		return emit(nil)
	}
	if err := emit(bufs); err != nil {
		return err
	}
	s.cursor = t.Cursor
	return nil
}

// emitHeld sends all matching frames before last, and keeps that one alone.
func (s *Subscription) emitHeld(held *entry, last int, emit func([][]byte) error) error {
	var bufs [][]byte
	for i := range max(last, 0) {
		if s.filter.Match(&held.frames[i]) {
			bufs = append(bufs, held.bytes(i))
		}
	}
	var keep entry
	if last >= 0 {
		keep.body = append(keep.body, held.bytes(last)...)
		keep.frames = append(keep.frames, held.frames[last])
		keep.frames[0].end = len(keep.body)
	}
	*held = keep
	if len(bufs) == 0 {
		return nil
	}
	return emit(bufs)
}

// query and next ask the log while holding one of the slots that bound how many do so at once.
func (s *Subscription) query(ctx context.Context, q func() (Reading, error)) (Reading, error) {
	release, err := s.feed.replaying(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return q()
}

func (s *Subscription) next(ctx context.Context, r Reading) (Transaction, error) {
	release, err := s.feed.replaying(ctx)
	if err != nil {
		return Transaction{}, err
	}
	defer release()
	return r.Next(ctx)
}
