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

// planSQL returns the unseen transactions, at most $2, in the order of their last event ids. It also
// returns the unseen transactions that come later and have an xid below the cursor that results: they
// must stay holes. The first row has the state and, as last, the number of transactions. It reads the index
// only. (PostgreSQL has no max of xid8 before 15.)
const planSQL = `
with unseen as materialized (
    select u.xid, count(*) as events, max(u.id) as last
    from (
        select e.xid, e.id from pgherald.events as e where e.xid >= $1
        union all
        select e.xid, e.id from pgherald.events as e where e.xid = any(` + endedHolesBegin + `$3` + endedHolesEnd + `)
    ) as u
    group by u.xid
),
chosen as materialized (
    select * from unseen order by last limit $2
)
select` + stateColumns + `,
    null::xid8 as xid,
    null::bigint as events,
    (select count(*) from unseen)::bigint as last
from pgherald.log as l
union all
select null, null, null, null, xid, events, last
from chosen
union all
select null, null, null, null, xid, null, null
from unseen
where
    last > (select max(last) from chosen)
    and xid < greatest((select xid from chosen order by xid desc limit 1), $1)`

// plan lists the transactions of a large read.
type plan struct {
	state        state
	transactions int       // in all
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
	var p *plan
	err := l.withConn(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, planSQL, from.Next(), l.planSize, holesParam(from))
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

func scanPlan(rows pgx.Rows) (*plan, rawState, error) {
	defer rows.Close()
	p, raw := &plan{}, rawState{}
	for rows.Next() {
		var logID, timeline, snapshot *string
		var prunedBelow, xid *uint64
		var events, last *int64
		if err := rows.Scan(&logID, &timeline, &prunedBelow, &snapshot, &xid, &events, &last); err != nil {
			return nil, raw, err
		}
		switch {
		case logID != nil:
			raw = rawState{logID: *logID, timeline: *timeline, snapshot: *snapshot, prunedBelow: *prunedBelow}
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
