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
	ready         []stream.Transaction // fetched and not yet yielded
	planned       []planned            // not yet fetched
	planTruncated bool                 // the log holds more than the plan
	walk          cursorWalk
	partial       partialRead
	size          int // events in the next page
}

// partialRead is the progress in a transaction that is fetched in parts; its xid is 0 if there is none.
type partialRead struct {
	xid    uint64
	after  int64         // id of the last event fetched
	cursor stream.Cursor // after the transaction; zero unless it is part of a plan
}

// readAtOnce returns the reading of a page that holds every unseen event.
func (l *Log) readAtOnce(from stream.Cursor, p *page) *reading {
	r := &reading{log: l, epoch: p.state.epoch}
	order, grouped := groupByTransaction(p.events)
	r.walk = newCursorWalk(from, p.state, order)
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
	r := &reading{log: l, epoch: from.Epoch(), size: max(1, l.firstPage()/2)}
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
	r.planned, r.planTruncated = p.chosen, p.transactions > len(p.chosen)
	r.walk = newCursorWalk(from, p.state, p.xids())
	return nil
}

// Buffered returns the number of transactions, or parts of them, that were fetched and not yet returned.
func (r *reading) Buffered() int { return len(r.ready) }

// Cursor returns the cursor after the reading. It is valid once Next has returned io.EOF.
func (r *reading) Cursor() stream.Cursor { return r.walk.end() }

// Next returns the next transaction or a part of one, and io.EOF after the last. What it fetches are the
// events in which wants has an interest.
func (r *reading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	for len(r.ready) == 0 {
		if err := r.fetch(ctx, wants); err != nil {
			return stream.Transaction{}, err
		}
	}
	t := r.ready[0]
	r.ready = r.ready[1:]
	return t, nil
}

// fetch takes one step: it fetches a page, fetches a part of a transaction, makes a plan, or shrinks the
// next page. It returns io.EOF when nothing is left.
func (r *reading) fetch(ctx context.Context, wants stream.Interest) error {
	switch {
	case r.partial.xid != 0:
		return r.fetchPart(ctx, wants)
	case len(r.planned) > 0 && r.planned[0].events > r.size:
		r.startPartial()
		return nil
	case len(r.planned) > 0:
		return r.fetchPage(ctx, wants)
	case r.planTruncated:
		return r.planAfter(ctx, r.walk.cursor)
	}
	return io.EOF
}

// startPartial takes the next transaction from the plan, to be fetched in parts.
func (r *reading) startPartial() {
	r.partial = partialRead{xid: r.planned[0].xid, cursor: r.walk.deliver(r.planned[0].xid)}
	r.planned = r.planned[1:]
}

// fetchPart fetches the next events of a large transaction: at least one, since a page has room for one
// event of any size.
func (r *reading) fetchPart(ctx context.Context, wants stream.Interest) error {
	p, err := r.query(ctx, r.partial.xid, statement{
		sql: partSQL, args: []any{r.partial.xid, r.partial.after, r.size + 1}, wants: wants, rows: r.size,
	})
	if err != nil {
		return err
	}
	r.adapt(p, len(p.events))
	t := stream.Transaction{XID: r.partial.xid, More: p.truncated, Cursor: r.partial.cursor}
	for _, e := range p.events {
		t.Events = append(t.Events, e.Event)
		r.partial.after = e.ID
	}
	if !t.More {
		r.partial = partialRead{}
	}
	r.ready = append(r.ready, t)
	return nil
}

// fetchPage fetches the next transactions of the plan, as many as fit in a page. If they do not fit after
// all, it fetches nothing.
//
// It cannot go on like that forever. A page that does not fit has requested n events of several
// transactions, or all events of one. In the first case, the next page requests at most n/4 events, which
// is fewer: so sooner or later it requests one transaction, which is the second case. That transaction is
// then fetched in parts, of which each has at least one event. Only a page that fits makes r.size grow.
func (r *reading) fetchPage(ctx context.Context, wants stream.Interest) error {
	var xids []uint64
	n := 0
	for len(xids) < len(r.planned) && n+r.planned[len(xids)].events <= r.size {
		t := r.planned[len(xids)]
		xids, n = append(xids, t.xid), n+t.events
	}
	p, err := r.query(ctx, slices.Min(xids), statement{sql: pageSQL, args: []any{xids}, wants: wants, rows: n})
	if err != nil {
		return err
	}
	if p.truncated {
		r.size = max(1, n/4)
		if len(xids) == 1 {
			r.startPartial()
		}
		return nil
	}
	r.adapt(p, n)
	_, grouped := groupByTransaction(p.events)
	for _, xid := range xids {
		r.ready = append(r.ready, stream.Transaction{XID: xid, Events: grouped[xid], Cursor: r.walk.deliver(xid)})
	}
	r.planned = r.planned[len(xids):]
	return nil
}

// query fetches events of transactions whose lowest xid is oldest. It checks that the log still holds
// them.
func (r *reading) query(ctx context.Context, oldest uint64, st statement) (*page, error) {
	p, err := r.log.query(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if p.state.epoch != r.epoch {
		return nil, fmt.Errorf("%w: it changed to %s during the read", stream.ErrOtherLog, p.state.epoch)
	}
	if oldest < p.state.prunedBelow {
		return nil, fmt.Errorf("%w: events below %d were pruned during the read", stream.ErrPruned, p.state.prunedBelow)
	}
	return p, nil
}

// adapt sets the size of the next page so that it has about pageBytes, if its events are as large as the n
// events that this page looked at. It grows at most eightfold.
func (r *reading) adapt(p *page, n int) {
	if n > 0 {
		r.size = min(max(1, r.log.pageBytes*n/max(1, p.bytes)), 8*n, 2*r.log.readEvents)
	}
}
