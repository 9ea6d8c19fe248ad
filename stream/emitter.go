package stream

import "slices"

// emitter passes the parts of one replay to a client. At most one of tail and merged is in use at a time.
type emitter struct {
	sub    *Subscription
	member *member
	after  Cursor // if the replay is of a single transaction, the cursor after it; otherwise zero
	skip   int64  // events up to this id were sent before
	// tail holds the last selected frame of the parts so far of a transaction, nil if there is none. It
	// needs the id line if no later part has a selected frame.
	tail        *entry
	tailVerdict verdict
	last        *replayPart // of an incomplete transaction; nil if there is none
	// merged holds whole transactions that will be conflated or batched together. The member holds them.
	merged      []*replayPart
	mergedBytes int
}

// mergeBytes is the size at which the emitter emits what it has gathered to merge.
const mergeBytes = 1 << 20

const noLimit = 1 << 62

// add emits a part and releases it. If the filter merges, add gathers whole transactions, and emits them once
// they reach mergeBytes.
func (o *emitter) add(p *replayPart) error {
	s := o.sub
	p.parse(o.member.shared, &s.filter)
	if o.after.IsZero() && s.base().Seen(p.entry.xid) {
		o.member.releaseAll()
		return nil
	}
	isWhole := !p.more && o.last == nil && o.after.IsZero()
	if isWhole && s.filter.merges() {
		o.merged = append(o.merged, p)
		if o.mergedBytes += p.entry.length; o.mergedBytes < mergeBytes {
			return nil
		}
		return o.emitMerged()
	}
	if err := o.emitMerged(); err != nil {
		return err
	}
	err := o.addPart(p)
	o.member.releaseAll()
	return err
}

// emitMerged emits the gathered transactions, and releases them.
func (o *emitter) emitMerged() error {
	if len(o.merged) == 0 {
		return nil
	}
	s := o.sub
	entries := make([]*entry, len(o.merged))
	for i, p := range o.merged {
		entries[i] = p.entry
	}
	v, out := s.filter.verdictsOf(entries), s.filter.newOutput(nil)
	for _, e := range entries {
		_, _, events := e.appendPending(&out, 0, &v, s.idLineOf(e), noLimit)
		s.sent += uint64(events)
	}
	after := o.merged[len(o.merged)-1].cursor
	o.merged, o.mergedBytes = nil, 0
	err := o.emitUpTo(after, out.finish())
	o.member.releaseAll()
	return err
}

// addPart emits the selected frames of a part of a transaction. It keeps the last one as the tail, except of
// the last part.
func (o *emitter) addPart(p *replayPart) error {
	s, e := o.sub, p.entry
	v := verdicts{filter: &s.filter}
	from := 0
	for from < len(e.frames) && e.frames[from].id <= o.skip {
		from++
	}
	last, verdict := e.lastMatch(from, &v)
	out, n := s.filter.newOutput(nil), 0
	if o.tail != nil && last >= 0 {
		out.add(o.tail, 0, 1, o.tailVerdict, nil)
		n, o.tail = n+1, nil
	}
	if last >= 0 {
		_, _, events := e.appendRuns(&out, from, last, &v, noLimit)
		n += events
	}
	if p.more {
		return o.emitBegin(p, last, verdict, out.finish(), n)
	}
	switch idLine := o.idLine(p); {
	case last >= 0:
		out.add(e, last, last+1, verdict, idLine)
		n++
	case o.tail != nil:
		out.add(o.tail, 0, 1, o.tailVerdict, idLine)
		n++
	}
	s.sent += uint64(n)
	o.tail, o.last = nil, nil
	return o.emitUpTo(p.cursor, out.finish())
}

// emitBegin emits n frames of a transaction that continues, and keeps frame last of its latest part with its verdict, if
// that is not -1.
func (o *emitter) emitBegin(p *replayPart, last int, v verdict, bufs [][]byte, n int) error {
	o.last = p
	if last >= 0 {
		o.tail, o.tailVerdict = p.entry.only(last), v
	}
	o.sub.sent += uint64(n)
	if n == 0 {
		return nil
	}
	o.sub.frame = max(o.sub.frame, 1)
	return o.member.emit(bufs)
}

// idLine returns the id line after a transaction.
func (o *emitter) idLine(p *replayPart) []byte {
	if o.after.IsZero() {
		return o.sub.idLineOf(p.entry)
	}
	return appendID(nil, o.after)
}

// emitUpTo emits the bytes of whole transactions and moves the cursor behind them. If there are no bytes,
// it moves the cursor first, since the client may then send a heartbeat with it.
func (o *emitter) emitUpTo(after Cursor, bufs [][]byte) error {
	if len(bufs) > 0 {
		if err := o.member.emit(bufs); err != nil {
			return err
		}
	}
	o.sub.frame = 0
	if o.after.IsZero() {
		o.sub.moveTo(after)
	} else {
		o.sub.cursor = o.after
		o.sub.setReplayState(replayState{inLog: true}) // the transaction is complete, even if the read fails from here on
	}
	if len(bufs) == 0 {
		return o.member.emit(nil)
	}
	return nil
}

// interrupt notes how much of an incomplete transaction was sent, so that the rest can be read.
func (o *emitter) interrupt() {
	if o.last == nil {
		return
	}
	p := partialTransaction{xid: o.last.entry.xid, after: o.last.lastID, cursor: o.last.cursor}
	if !o.after.IsZero() {
		p = o.sub.replayState().partial
		p.after = o.last.lastID
	}
	if o.tail != nil {
		p.after = o.tail.frames[0].id - 1
	}
	o.sub.setPartial(p)
}

// only returns an entry with frame i alone. It copies the frame, unless that is most of its block: many clients that
// catch up share a large frame.
func (e *entry) only(i int) *entry {
	f, block := e.frames[i], slices.Clip(e.chunk(i, i+1))
	if len(block) < len(e.blocks[f.block])/2 {
		block = slices.Clone(block)
	}
	f.block, f.start, f.payload, f.payloadEnd = 0, 0, f.payload-f.start, f.payloadEnd-f.start
	o := &entry{xid: e.xid, blocks: [][]byte{block}, frames: []frame{f}}
	if e.changes != nil {
		o.changes = e.changes[i : i+1]
	}
	return o
}
