package stream

import (
	"context"
	"errors"
	"io"
	"slices"
)

// CatchUp reads what is due from the log and hands it to emit, until the feed can serve the
// subscription again. The bytes given to emit are valid until it returns. There are none when the
// filter lets nothing of a transaction through: the cursor has moved on, and this is the time for a
// heartbeat.
//
// It returns emit's error as it is, a *ResetError if the log no longer reaches back to the
// subscription, and the log's error if that does not answer: the client then resumes later.
func (s *Subscription) CatchUp(ctx context.Context, emit func([][]byte) error) error {
	s.feed.countReplay()
	if s.filter.batches() {
		emit = inBatches(emit)
	}
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
	f.stats.CatchUps++
}

// rejoin is true when Due can go on: it will, or it will return a *ResetError.
func (s *Subscription) rejoin() bool {
	if s.get().reading != nil {
		return false
	}
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	return s.generation != s.feed.generation || s.join()
}

// finishPartial reads the events that are missing of a transaction that was sent in part, so
// that nothing comes between them.
func (s *Subscription) finishPartial(ctx context.Context, emit func([][]byte) error) error {
	p := s.get().partial
	if p.xid == 0 {
		return nil
	}
	r, err := s.query(ctx, func() (Reading, error) { return s.feed.log.ReadTransaction(ctx, p.cursor.epoch, p.xid, p.after) })
	if err != nil {
		return err
	}
	after := p.cursor
	if start := s.get().start; !start.IsZero() {
		after = after.Union(start)
	}
	if err := s.replay(ctx, r, emit, after); err != nil {
		return err
	}
	s.cursor, s.frame, s.aside = after, 0, nil
	return nil
}

// readOn reads once from the log all that the cursor has not seen.
func (s *Subscription) readOn(ctx context.Context, emit func([][]byte) error) error {
	r := s.get().reading
	if r == nil {
		var err error
		if r, err = s.query(ctx, func() (Reading, error) { return s.feed.log.Read(ctx, s.cursor) }); err != nil {
			return err
		}
	}
	if err := s.replay(ctx, r, emit, Cursor{}); err != nil {
		return err
	}
	s.cursor, s.aside = r.Cursor(), nil
	return nil
}

// replay emits what the reading yields, in parts no larger than a page. after is the cursor at
// the end of a reading of a single transaction, which does not know it.
func (s *Subscription) replay(ctx context.Context, r Reading, emit func([][]byte) error, after Cursor) error {
	var held entry // frames held back, since the id line belongs on the last that is sent
	var together merging
	for {
		t, err := s.next(ctx, r)
		if errors.Is(err, io.EOF) {
			return s.emitMerged(&together, emit)
		}
		if err != nil {
			return err
		}
		if !t.More && !after.IsZero() {
			t.Cursor = after
		}
		if err := s.take(&held, &together, &t, emit); err != nil {
			return err
		}
	}
}

// take sends a transaction or a part of one, or lets it wait for others if it is to be merged.
func (s *Subscription) take(held *entry, together *merging, t *Transaction, emit func([][]byte) error) error {
	whole := !t.More && len(held.frames) == 0
	if whole && s.filter.merges() {
		if together.add(t, s.filter.reads()); together.size < mergeBytes {
			return nil
		}
		return s.emitMerged(together, emit)
	}
	if err := s.emitMerged(together, emit); err != nil {
		return err
	}
	return s.emit(held, t, emit)
}

// emit sends a part of a transaction but for its last matching frame, which is held back until
// it is known whether it is the transaction's last and so carries the id.
func (s *Subscription) emit(held *entry, t *Transaction, emit func([][]byte) error) error {
	held.add(t)
	if s.filter.reads() {
		held.index()
	}
	c := choice{filter: &s.filter}
	last := held.lastMatch(&c)
	if t.More {
		return s.emitHeld(held, last, emit)
	}
	held.finish(t)
	bufs, _, _ := held.due(nil, 0, &c, held.id, 1<<62)
	s.sent += uint64(held.matches(0, len(held.frames), &c))
	held.keep(-1)
	if len(bufs) > 0 {
		if err := emit(bufs); err != nil {
			return err
		}
	}
	s.cursor, s.frame = t.Cursor, 0
	if len(bufs) == 0 {
		return emit(nil)
	}
	return nil
}

// emitHeld sends all matching frames before last, and keeps that one alone.
func (s *Subscription) emitHeld(held *entry, last int, emit func([][]byte) error) error {
	var bufs [][]byte
	for i := range max(last, 0) {
		if s.filter.match(held, i) {
			bufs = append(bufs, held.bytes(i))
		}
	}
	s.sent += uint64(len(bufs))
	held.keep(last)
	if len(bufs) == 0 {
		return nil
	}
	s.frame = max(s.frame, 1)
	return emit(bufs)
}

// keep forgets all frames but one, or all if that is -1. It leaves alone the bytes that were emitted.
func (e *entry) keep(i int) {
	blocks, frames, fields := e.blocks, e.frames, e.fields
	e.blocks, e.frames, e.fields = nil, nil, nil
	if i < 0 {
		return
	}
	f := frames[i]
	e.blocks = [][]byte{slices.Clone(blocks[f.block][f.start:f.end])}
	f.block, f.start, f.end, f.data = 0, 0, f.end-f.start, f.data-f.start
	e.frames = append(e.frames, f)
	if fields != nil {
		e.fields = append(e.fields, fields[i])
	}
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
