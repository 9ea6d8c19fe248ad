package stream

import (
	"context"
	"errors"
	"io"
	"slices"
)

// replayState holds what a subscription needs only while it catches up, and afterwards until the
// feed's cursors cover what it has seen. It is allocated apart, because few of a hundred thousand
// subscriptions need it at a time, and immutable, since copies of a subscription share it.
type replayState struct {
	// base is the client's cursor when the subscription joined the feed. It is set only as long as it
	// contains transactions that the feed's cursor does not: the client has read the log, or was
	// connected to a server that was ahead. It is zero otherwise.
	base    Cursor
	partial partialTransaction // CatchUp reads the rest of it from the log; zero if there is none
	reading Reading            // Subscribe began it, CatchUp continues it; nil if there is none
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
	if !r.base.IsZero() || r.partial.xid != 0 || r.reading != nil {
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

// CatchUp reads the pending events from the log and passes them to emit, until the feed can continue
// the subscription. The bytes are valid until emit returns. After a transaction of which the filter
// matches no event, CatchUp calls emit with no bytes: the cursor has moved on, and the caller may
// send a heartbeat.
//
// CatchUp returns emit's error unchanged. It returns a *ResetError if the log no longer reaches back
// to the subscription, and the log's error if the log cannot be read: the client then resumes later.
func (s *Subscription) CatchUp(ctx context.Context, emit func([][]byte) error) error {
	s.feed.countCatchUp()
	err := s.completePartial(ctx, emit)
	for err == nil && !s.continueInFeed() {
		err = s.readLog(ctx, emit)
	}
	if reason := resetReason(err); reason != "" {
		s.feed.mu.RLock()
		defer s.feed.mu.RUnlock()
		s.moveToHead()
		return &ResetError{Reason: reason}
	}
	return err
}

func (f *Feed) countCatchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.CatchUps++
}

// continueInFeed joins the feed and returns true if the feed covers the cursor. It also returns true
// after the feed was rebuilt: the next Pending returns the *ResetError.
func (s *Subscription) continueInFeed() bool {
	if s.reading() != nil {
		return false
	}
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	return s.generation != s.feed.generation || s.joinFeed()
}

// completePartial reads the missing events of a transaction that was sent in part. They come before
// everything else, so that nothing stands between the events of a transaction.
func (s *Subscription) completePartial(ctx context.Context, emit func([][]byte) error) error {
	state := s.replayState()
	p, after := state.partial, state.partial.cursor
	if p.xid == 0 {
		return nil
	}
	r, err := s.queryLog(ctx, func() (Reading, error) { return s.feed.log.ReadTransaction(ctx, p.cursor.epoch, p.xid, p.after) })
	if err != nil {
		return err
	}
	if !state.base.IsZero() {
		after = after.Union(state.base)
	}
	if err := s.emitReading(ctx, r, emit, after); err != nil {
		return err
	}
	s.cursor, s.frame, s.replay = after, 0, nil
	return nil
}

// readLog reads everything from the log that is visible now and that the cursor has not seen.
func (s *Subscription) readLog(ctx context.Context, emit func([][]byte) error) error {
	r := s.reading()
	if r == nil {
		var err error
		if r, err = s.queryLog(ctx, func() (Reading, error) { return s.feed.log.Read(ctx, s.cursor) }); err != nil {
			return err
		}
	}
	if err := s.emitReading(ctx, r, emit, Cursor{}); err != nil {
		return err
	}
	s.cursor, s.replay = r.Cursor(), nil
	return nil
}

// queryLog calls query when fewer than FeedOptions.CatchUps queries run.
func (s *Subscription) queryLog(ctx context.Context, query func() (Reading, error)) (Reading, error) {
	release, err := s.feed.acquireLogRead(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return query()
}

// nextTransaction calls r.Next when fewer than FeedOptions.CatchUps queries run.
func (s *Subscription) nextTransaction(ctx context.Context, r Reading) (Transaction, error) {
	release, err := s.feed.acquireLogRead(ctx)
	if err != nil {
		return Transaction{}, err
	}
	defer release()
	return r.Next(ctx)
}

// emitter encodes the transactions of one reading and passes the bytes to emit. At most one of tail
// and merged is in use at a time.
type emitter struct {
	sub  *Subscription
	emit func([][]byte) error
	// tail holds the last selected frame of the parts so far of a transaction. It needs the id line
	// if no later part has a selected frame.
	tail entry
	// merged holds whole transactions that will be conflated or batched together.
	merged      []*entry
	mergedBytes int
}

// mergeBytes is the size at which the emitter emits what it has gathered to merge.
const mergeBytes = 1 << 20

// emitReading emits what the reading yields. It emits a transaction that comes in parts in parts, so
// that it need not fit into memory. If the reading is of a single transaction, it does not know the
// cursor after it: after then gives that cursor. Otherwise after is zero.
func (s *Subscription) emitReading(ctx context.Context, r Reading, emit func([][]byte) error, after Cursor) error {
	out := emitter{sub: s, emit: emit}
	for {
		t, err := s.nextTransaction(ctx, r)
		if errors.Is(err, io.EOF) {
			return out.emitMerged()
		}
		if err != nil {
			return err
		}
		if !t.More && !after.IsZero() {
			t.Cursor = after
		}
		if err := out.add(&t); err != nil {
			return err
		}
	}
}

// add emits a transaction or a part of one. If the filter merges, add gathers whole transactions, and
// emits them once they reach mergeBytes.
func (o *emitter) add(t *Transaction) error {
	isWhole := !t.More && len(o.tail.frames) == 0
	if !isWhole || !o.sub.filter.merges() {
		if err := o.emitMerged(); err != nil {
			return err
		}
		return o.addPart(t)
	}
	e := &entry{xid: t.XID}
	e.add(t)
	if o.sub.filter.needsFields() {
		e.parseFields()
	}
	e.complete(t.Cursor)
	o.merged = append(o.merged, e)
	if o.mergedBytes += e.length; o.mergedBytes < mergeBytes {
		return nil
	}
	return o.emitMerged()
}

// emitMerged emits the gathered transactions, and forgets them.
func (o *emitter) emitMerged() error {
	if len(o.merged) == 0 {
		return nil
	}
	s := o.sub
	sel, out := s.filter.selectAll(o.merged), s.filter.newOutput(nil)
	for _, e := range o.merged {
		e.appendPending(&out, 0, &sel, e.idLine, noLimit)
		s.sent += uint64(e.countMatches(0, len(e.frames), &sel))
	}
	after := o.merged[len(o.merged)-1].cursor
	o.merged, o.mergedBytes = nil, 0
	return o.emitUpTo(after, out.finish())
}

const noLimit = 1 << 62

// addPart emits the selected frames of a part of a transaction. It keeps the last one as the tail,
// except of the last part.
func (o *emitter) addPart(t *Transaction) error {
	s := o.sub
	o.tail.add(t)
	if s.filter.needsFields() {
		o.tail.parseFields()
	}
	sel := selection{filter: &s.filter}
	if t.More {
		return o.emitAllButLast(&sel)
	}
	o.tail.complete(t.Cursor)
	out := s.filter.newOutput(nil)
	o.tail.appendPending(&out, 0, &sel, o.tail.idLine, noLimit)
	s.sent += uint64(o.tail.countMatches(0, len(o.tail.frames), &sel))
	bufs := out.finish()
	o.tail.keepOnly(-1)
	return o.emitUpTo(t.Cursor, bufs)
}

// emitUpTo emits the bytes of whole transactions and moves the cursor to after. If there are no bytes,
// it moves the cursor first, since emit may then send a heartbeat with it.
func (o *emitter) emitUpTo(after Cursor, bufs [][]byte) error {
	if len(bufs) > 0 {
		if err := o.emit(bufs); err != nil {
			return err
		}
	}
	o.sub.cursor, o.sub.frame = after, 0
	if len(bufs) == 0 {
		return o.emit(nil)
	}
	return nil
}

// emitAllButLast emits the selected frames of the tail except the last, and keeps that one.
func (o *emitter) emitAllButLast(sel *selection) error {
	s, last := o.sub, o.tail.lastMatch(sel)
	out, n := s.filter.newOutput(nil), uint64(0)
	for i := range max(last, 0) {
		if sel.matches(&o.tail, i) {
			out.add(&o.tail, i, i+1, nil)
			n++
		}
	}
	s.sent += n
	bufs := out.finish()
	o.tail.keepOnly(last)
	if n == 0 {
		return nil
	}
	s.frame = max(s.frame, 1)
	return o.emit(bufs)
}

// keepOnly removes all frames except frame i, or all if i is -1. It does not overwrite the blocks,
// whose bytes were passed to emit.
func (e *entry) keepOnly(i int) {
	if i < 0 {
		e.blocks, e.frames, e.fields = nil, nil, nil
		return
	}
	f, block := e.frames[i], slices.Clone(e.chunk(i, i+1))
	f.block, f.start, f.payload, f.payloadEnd = 0, 0, f.payload-f.start, f.payloadEnd-f.start
	e.blocks, e.frames = [][]byte{block}, []frame{f}
	if e.fields != nil {
		e.fields = [][]field{e.fields[i]}
	}
}
