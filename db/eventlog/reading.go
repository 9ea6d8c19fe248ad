package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// reading yields the transactions that a cursor has not seen. A small reading holds all of them from
// the start. A large one holds a plan, and fetches the planned transactions in pages.
type reading struct {
	log           *Log
	epoch         string
	events        int                  // in all, when the reading began; -1 if unknown or if some have an audience
	ready         []stream.Transaction // fetched and not yet yielded
	planned       []planned            // not yet fetched
	planTruncated bool                 // the log holds more than the plan
	walk          cursorWalk
	partial       partialRead
	size          int // events in the next page
}

// partialRead is the progress in a transaction that is fetched in parts; its xid is 0 if there is none.
type partialRead struct {
	xid     uint64
	after   int64 // id of the last event fetched
	planned bool  // it is part of a plan, so the cursor advances after it
}

// readAtOnce returns the reading of a page that holds every unseen event.
func (l *Log) readAtOnce(from stream.Cursor, p *page) *reading {
	r := &reading{log: l, epoch: p.state.epoch, events: len(p.events)}
	if slices.ContainsFunc(p.events, func(e event) bool { return e.Audience != nil }) {
		r.events = -1
	}
	order, grouped := groupByTransaction(p.events)
	r.walk = newCursorWalk(from, p.state.snapshot.Running, order)
	for _, xid := range order {
		r.ready = append(r.ready, stream.Transaction{XID: xid, Events: grouped[xid], Cursor: r.walk.deliver(xid)})
	}
	return r
}

// groupByTransaction groups events, which are ordered by id. It returns the transactions in the order of
// their last event ids.
func groupByTransaction(events []event) ([]uint64, map[uint64][]stream.Event) {
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

// readInPages returns a reading that exceeds one page. It uses first only to estimate the size of an
// event.
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

// planAfter plans the read of the transactions after the cursor.
func (r *reading) planAfter(ctx context.Context, from stream.Cursor) error {
	p, err := r.log.plan(ctx, from)
	if err != nil {
		return err
	}
	if r.events == 0 {
		r.events = p.events
	}
	r.planned, r.planTruncated = p.chosen, p.transactions > len(p.chosen)
	r.walk = newCursorWalk(from, p.state.snapshot.Running, p.xids())
	return nil
}

// Events returns the number of events of the reading, as counted when it began. It returns -1 if that
// is unknown or if some events have an audience.
func (r *reading) Events() int { return r.events }

// Cursor returns the cursor after the reading. It is valid once Next has returned io.EOF.
func (r *reading) Cursor() stream.Cursor { return r.walk.end() }

// Next returns the next transaction or a part of one, and io.EOF after the last.
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

// fetch takes one step: it fetches a page, fetches a part of a transaction, makes a plan, or shrinks the
// next page. It returns io.EOF when nothing is left.
func (r *reading) fetch(ctx context.Context) error {
	switch {
	case r.partial.xid != 0:
		return r.fetchPart(ctx)
	case len(r.planned) > 0 && r.planned[0].events > r.size:
		r.startPartial()
		return nil
	case len(r.planned) > 0:
		return r.fetchPage(ctx)
	case r.planTruncated:
		return r.planAfter(ctx, r.walk.cursor)
	}
	return io.EOF
}

// startPartial takes the next transaction from the plan, to be fetched in parts.
func (r *reading) startPartial() {
	r.partial = partialRead{xid: r.planned[0].xid, planned: true}
	r.planned = r.planned[1:]
}

const partSQL = eventsSQL + `
(` + eventsBranch + `
    where e.xid = $1 and e.id > $2
    order by e.id
    limit $3
)`

// fetchPart fetches the next events of a large transaction.
func (r *reading) fetchPart(ctx context.Context) error {
	p, err := r.query(ctx, partSQL, r.partial.xid, r.size, r.partial.xid, r.partial.after, r.size+1)
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
			t.Cursor = r.walk.deliver(t.XID)
		}
		r.partial = partialRead{}
	}
	r.ready = append(r.ready, t)
	return nil
}

const pageSQL = eventsSQL + eventsBranch + `
    where e.xid = any($1)`

// fetchPage fetches the next transactions of the plan, as many as fit in a page. If the events are much
// larger than those before, it fetches nothing and shrinks the page, down to a part of one transaction.
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
	if p.truncated {
		if len(xids) == 1 {
			r.startPartial()
		}
		r.size = max(1, r.size/8)
		return nil
	}
	_, grouped := groupByTransaction(p.events)
	for _, xid := range xids {
		r.ready = append(r.ready, stream.Transaction{XID: xid, Events: grouped[xid], Cursor: r.walk.deliver(xid)})
	}
	r.planned = r.planned[len(xids):]
	return nil
}

// query fetches events of transactions whose lowest xid is oldest. It checks that the log still holds
// them, and adapts the size of the next page to their size.
func (r *reading) query(ctx context.Context, sql string, oldest uint64, rows int, args ...any) (*page, error) {
	p, err := r.log.query(ctx, sql, rows, maxPageBytes, args...)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if p.state.epoch != r.epoch {
		return nil, fmt.Errorf("%w: it changed to %s during the read", stream.ErrOtherLog, p.state.epoch)
	}
	if oldest < p.state.prunedBelow {
		return nil, fmt.Errorf("%w: events below %d were pruned during the read", stream.ErrPruned, p.state.prunedBelow)
	}
	if len(p.events) > 0 && p.bytes > 0 {
		r.size = min(max(1, r.log.pageBytes*len(p.events)/p.bytes), 2*r.log.readEvents)
	}
	return p, nil
}

// cursorWalk advances a cursor through the transactions of one read. At each step the holes are the
// running transactions, and the transactions below the cursor's next that this read delivers later. The
// latter are few, because transactions commit nearly in the order of their xids.
type cursorWalk struct {
	cursor  stream.Cursor
	running []uint64
	above   []uint64 // undelivered, at or above the cursor's next; ascending
	below   []uint64 // undelivered, below it
}

// newCursorWalk returns a walk that starts at from. undelivered holds every transaction of the read, in
// any order.
func newCursorWalk(from stream.Cursor, running, undelivered []uint64) cursorWalk {
	above := slices.Clone(undelivered)
	slices.Sort(above)
	w := cursorWalk{cursor: from, running: running, above: above}
	w.advance(from.Next())
	return w
}

// advance moves the transactions below next from above to below.
func (w *cursorWalk) advance(next uint64) {
	n, _ := slices.BinarySearch(w.above, next)
	w.below = append(w.below, w.above[:n]...)
	w.above = w.above[n:]
}

// deliver returns the cursor after the delivery of xid.
func (w *cursorWalk) deliver(xid uint64) stream.Cursor {
	w.advance(xid + 1)
	w.below = slices.DeleteFunc(w.below, func(x uint64) bool { return x == xid })
	w.cursor = w.cursor.Deliver(xid, append(slices.Clip(w.below), w.running...))
	return w.cursor
}

// end returns the cursor after the whole read. Its holes are the running transactions.
func (w *cursorWalk) end() stream.Cursor { return w.cursor.CloseHoles(w.running) }
