package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// reading yields what a cursor has not seen. A small read holds all of it from the start; a large
// one holds a plan, which transactions in which order, and fetches them in pages.
type reading struct {
	log           *Log
	epoch         string
	events        int                  // in all, when it began; -1 if some are not for everyone
	ready         []stream.Transaction // to be yielded next
	planned       []planned            // to be fetched after those
	planTruncated bool                 // there is more behind the plan
	progress      cursorWalk
	partial       partialRead // the transaction that is being fetched in parts
	size          int         // events in the next page
}

// part says how far a transaction has been fetched; its xid is zero when none is.
type partialRead struct {
	xid     uint64
	after   int64
	planned bool // the cursor moves on with it
}

// complete returns the reading of a page that holds everything.
func (l *Log) readAtOnce(from stream.Cursor, p *page) *reading {
	r := &reading{log: l, epoch: p.state.epoch, events: len(p.events)}
	if slices.ContainsFunc(p.events, func(e event) bool { return e.Audience != nil }) {
		r.events = -1
	}
	order, grouped := group(p.events)
	r.progress = newCursorWalk(from, p.state.snapshot.Running, order)
	for _, xid := range order {
		r.ready = append(r.ready, stream.Transaction{XID: xid, Events: grouped[xid], Cursor: r.progress.deliver(xid)})
	}
	return r
}

// group puts events, which are in the order of their ids, into their transactions, and those
// in the order of their last ids.
func group(events []event) ([]uint64, map[uint64][]stream.Event) {
	grouped := make(map[uint64][]stream.Event)
	for _, e := range events {
		grouped[e.xid] = append(grouped[e.xid], e.Event)
	}
	order := make([]uint64, 0, len(grouped))
	for xid := range grouped {
		order = append(order, xid)
	}
	last := func(xid uint64) int64 { es := grouped[xid]; return es[len(es)-1].ID }
	slices.SortFunc(order, func(a, b uint64) int { return cmp.Compare(last(a), last(b)) })
	return order, grouped
}

// inPages begins a reading that is too large for one page, of which the first is known.
func (l *Log) readInPages(ctx context.Context, from stream.Cursor, first *page) (*reading, error) {
	r := &reading{log: l, epoch: from.Epoch(), size: max(1, l.readEvents/2)}
	if first.bytes > 0 {
		r.size = min(r.size, max(1, l.pageBytes*len(first.events)/first.bytes))
	}
	if err := r.planAfter(ctx, from); err != nil {
		return nil, err
	}
	return r, nil
}

// follow plans what comes after the cursor.
func (r *reading) planAfter(ctx context.Context, from stream.Cursor) error {
	p, err := r.log.plan(ctx, from)
	if err != nil {
		return err
	}
	if r.events == 0 {
		r.events = p.events
	}
	r.planned, r.planTruncated = p.chosen, p.transactions > len(p.chosen)
	r.progress = newCursorWalk(from, p.state.snapshot.Running, p.xids())
	return nil
}

// Events is how many events the reading had to yield when it began, -1 if that is not known or if
// some are not for everyone.
func (r *reading) Events() int { return r.events }

// Cursor is the cursor after everything that was yielded, once Next has returned io.EOF.
func (r *reading) Cursor() stream.Cursor { return r.progress.end() }

// Next returns the next transaction, or a part of one.
func (r *reading) Next(ctx context.Context) (stream.Transaction, error) {
	for len(r.ready) == 0 {
		if err := r.fetch(ctx); err != nil {
			return stream.Transaction{}, err
		}
	}
	t := r.ready[0]
	r.ready = r.ready[1:]
	return t, nil
}

// fetch makes the next page ready, or takes a step towards that; io.EOF means that there is none.
func (r *reading) fetch(ctx context.Context) error {
	switch {
	case r.partial.xid != 0:
		return r.fetchPartial(ctx)
	case len(r.planned) > 0 && r.planned[0].events > r.size:
		r.startPartial()
		return nil
	case len(r.planned) > 0:
		return r.fetchPage(ctx)
	case r.planTruncated:
		return r.planAfter(ctx, r.progress.cursor)
	}
	return io.EOF
}

func (r *reading) startPartial() {
	r.partial = partialRead{xid: r.planned[0].xid, planned: true}
	r.planned = r.planned[1:]
}

const partialSQL = eventsSQL + `
(` + eventsBranch + `
    where e.xid = $1 and e.id > $2
    order by e.id
    limit $3
)`

// fetchPart fetches the next events of a large transaction.
func (r *reading) fetchPartial(ctx context.Context) error {
	p, err := r.query(ctx, partialSQL, r.partial.xid, r.size, r.partial.xid, r.partial.after, r.size+1)
	if err != nil {
		return err
	}
	t := stream.Transaction{XID: r.partial.xid, More: p.truncated}
	for _, e := range p.events {
		t.Events = append(t.Events, e.Event)
		r.partial.after = e.ID
	}
	if !t.More {
		if r.partial.planned {
			t.Cursor = r.progress.deliver(t.XID)
		}
		r.partial = partialRead{}
	}
	r.ready = append(r.ready, t)
	return nil
}

const pageSQL = eventsSQL + eventsBranch + `
    where e.xid = any($1)`

// fetchPage fetches the next transactions of the plan, as many as fit in a page.
func (r *reading) fetchPage(ctx context.Context) error {
	var xids []uint64
	for n := 0; len(xids) < len(r.planned) && n+r.planned[len(xids)].events <= r.size; {
		t := r.planned[len(xids)]
		xids, n = append(xids, t.xid), n+t.events
	}
	p, err := r.query(ctx, pageSQL, slices.Min(xids), r.size, xids)
	if err != nil {
		return err
	}
	if p.truncated { // much larger events than before: take fewer, at last a part of one transaction
		if len(xids) == 1 {
			r.startPartial()
		}
		r.size = max(1, r.size/8)
		return nil
	}
	_, grouped := group(p.events)
	for _, xid := range xids {
		r.ready = append(r.ready, stream.Transaction{XID: xid, Events: grouped[xid], Cursor: r.progress.deliver(xid)})
	}
	r.planned = r.planned[len(xids):]
	return nil
}

// query fetches events, of transactions from oldest on, and adapts the size of the next page to
// what came.
func (r *reading) query(ctx context.Context, sql string, oldest uint64, rows int, args ...any) (*page, error) {
	p, err := r.log.query(ctx, sql, rows, maxPageBytes, args...)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if p.state.epoch != r.epoch {
		return nil, fmt.Errorf("%w: it changed to %s while it was read", stream.ErrOtherLog, p.state.epoch)
	}
	if oldest < p.state.prunedBelow {
		return nil, fmt.Errorf("%w: events below %d were pruned while it was read", stream.ErrPruned, p.state.prunedBelow)
	}
	if len(p.events) > 0 && p.bytes > 0 {
		r.size = min(max(1, r.log.pageBytes*len(p.events)/p.bytes), 2*r.log.readEvents)
	}
	return p, nil
}
