package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// planSQL returns unseen transactions, at most $2, in the order of their last event ids. It also
// returns the unseen transactions that come later and have an xid below the cursor that results: they
// must stay holes. The first row has the state and, as last, the number of transactions, or a higher one if there are
// more. It reads the index only. (PostgreSQL has no max of xid8 before 15.)
//
// Of a long backlog, it looks at a window of $4 events: at the transactions below that of the next event. Those of them come
// first whose last events are older than every event above the window. A mark (pgherald.marks) says how low the ids
// above it can be, so that only the events between the window and the mark are looked at. If no transaction comes first, as beside
// one that is as large as the window, the plan is empty: $4 null makes the window endless.
const planSQL = `
with above as materialized (
    select e.xid
    from pgherald.events as e
    where e.xid >= $1
    order by e.xid, e.id
    offset coalesce($4::bigint, 0)
    limit case when $4::bigint is null then 0 else 1 end
),
mark as materialized (
    select m.xid, m.id
    from above as a
    cross join lateral pgherald.mark_from(a.xid) as m
),
oldest as materialized (
    select
        least(
            (
                select min(e.id)
                from pgherald.events as e
                where
                    e.xid >= (select a.xid from above as a)
                    and e.xid < coalesce((select m.xid from mark as m), ` + maxXID + `)
            ),
            (select m.id from mark as m) + 1
        ) as id
),
unseen as materialized (
    select u.xid, count(*) as events, max(u.id) as last
    from (
        select e.xid, e.id
        from pgherald.events as e
        where e.xid >= $1 and e.xid < coalesce((select a.xid from above as a), ` + maxXID + `)
        union all
        select e.xid, e.id from pgherald.events as e where e.xid = any(` + endedHolesBegin + `$3` + endedHolesEnd + `)
    ) as u
    group by u.xid
),
chosen as materialized (
    select * from unseen where last < coalesce((select o.id from oldest as o), 9223372036854775807) order by last limit $2
)
select` + stateColumns + `,
    null::xid8 as xid,
    null::bigint as events,
    (select count(*) from unseen)::bigint + (select count(*) from above) as last
from pgherald.log as l
union all
select null, null, null, null, null, xid, events, last
from chosen
union all
select null, null, null, null, null, xid, null, null
from unseen
where
    last > (select max(last) from chosen)
    and xid < greatest((select xid from chosen order by xid desc limit 1), $1)`

// maxXID is the highest xid8.
const maxXID = `'18446744073709551615'::xid8`

// planEvents returns the size of the window of a plan, in events.
func (l *Log) planEvents() int64 { return 4 * int64(l.planSize) }

// plan lists the transactions of a large read.
type plan struct {
	state        state
	transactions int       // in all, or more than are chosen
	chosen       []planned // ordered by last event id
	skipped      []uint64  // not chosen, and holes of the cursor after the chosen ones
}

// planned is a transaction to fetch.
type planned struct {
	xid    uint64
	events int
	last   int64 // id of its last event
}

// plan decides what to read after the cursor.
func (l *Log) plan(ctx context.Context, from stream.Cursor) (*plan, error) {
	window := l.planEvents()
	p, err := l.planWithin(ctx, from, &window)
	if err == nil && len(p.chosen) == 0 && p.transactions > 0 {
		return l.planWithin(ctx, from, nil)
	}
	return p, err
}

// planWithin looks at a window of events; nil is all of them.
func (l *Log) planWithin(ctx context.Context, from stream.Cursor, window *int64) (*plan, error) {
	var p *plan
	err := l.withState(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, planSQL, from.Next(), l.planSize, holesParam(from), window)
		if err != nil {
			return err
		}
		var raw rawState
		if p, raw, err = scanPlan(rows); err != nil {
			return err
		}
		p.state, err = raw.parse(db.ClusterOf(conn))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("plan a read of the log: %w", err)
	}
	if p.isForeign() {
		return nil, l.reset(ctx)
	}
	return p, p.state.validateCursor(from)
}

// isForeign reports whether the plan shows that the log came, at least in part, from another cluster.
func (p *plan) isForeign() bool {
	return p.state.isForeign() || slices.ContainsFunc(p.xids(), p.state.isFuture)
}

// holesParam returns the cursor's holes as a parameter: an empty array, never null.
func holesParam(c stream.Cursor) []uint64 {
	if h := c.Holes(); h != nil {
		return h
	}
	return []uint64{}
}

func scanPlan(rows pgx.Rows) (p *plan, raw rawState, err error) {
	defer rows.Close()
	p = &plan{}
	for rows.Next() {
		var logID, recovery, lsn, snapshot *string
		var prunedBelow, xid *uint64
		var events, last *int64
		if err := rows.Scan(&logID, &recovery, &lsn, &prunedBelow, &snapshot, &xid, &events, &last); err != nil {
			return nil, raw, err
		}
		switch {
		case logID != nil:
			raw = rawState{logID: *logID, recovery: recovery, snapshot: *snapshot, prunedBelow: *prunedBelow}
			if raw.lsn, err = parseLSN(*lsn); err != nil {
				return nil, raw, err
			}
			p.transactions = int(*last)
		case last == nil:
			p.skipped = append(p.skipped, *xid)
		default:
			p.chosen = append(p.chosen, planned{*xid, int(*events), *last})
		}
	}
	slices.SortFunc(p.chosen, func(a, b planned) int { return cmp.Compare(a.last, b.last) })
	return p, raw, rows.Err()
}

// xids returns all transactions that the plan names.
func (p *plan) xids() []uint64 {
	xids := slices.Clone(p.skipped)
	for _, t := range p.chosen {
		xids = append(xids, t.xid)
	}
	return xids
}
