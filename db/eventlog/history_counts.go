package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

var _ stream.CountingLog = (*History)(nil)

// countPastSQL counts events before the position in $1 and $2, by type and step of $10 seconds, since $9. It looks at $7 + 1
// events. $3 to $6 are an interest, $8 holds transactions that the history does not show, and $11 says whether former
// audiences count. Types with long names count together.
const countPastSQL = edgeSQL + `
looked as materialized (
    select
        e.xid,
        e.id,
        e.at,
        case when octet_length(e.type) <= 100 then e.type else 'other' end as type,
        ` + ofInterest + `
        and ($11::boolean or e.audience is null or e.audience && $6 or e.type = '` + stream.TypeCollectionReset + `') as counts
    from pgherald.events as e
    where` + beforePosition + `
),
counted as materialized (
    select
        floor(extract(epoch from k.at) / $10::bigint)::bigint * $10 as step,
        k.type,
        count(*) as events
    from looked as k
    where k.counts and k.at >= $9::timestamptz and k.at < clock_timestamp() + '1 day'::interval
    group by 1, 2
)
select` + historyColumns + `,
    (select max(k.at) from looked as k where isfinite(k.at)) as newest_at,
    (select k.at from looked as k where isfinite(k.at) order by k.xid, k.id limit 1) as oldest_at,
    array(select c.step from counted as c order by c.step, c.type) as steps,
    array(select c.type from counted as c order by c.step, c.type) as types,
    array(select c.events from counted as c order by c.step, c.type) as counts
from pgherald.log as l`

// counted holds the result of countPastSQL.
type counted struct {
	backward
	newestAt, oldestAt *time.Time
	steps, counts      []int64
	types              []string
}

// CountBack implements stream.CountingLog.
func (h *History) CountBack(ctx context.Context, before stream.Position, q stream.CountQuery, look int) (past stream.CountedPast, err error) {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	release, err := h.enter(ctx)
	if err != nil {
		return past, err
	}
	defer release()
	c, err := h.countEncodable(ctx, before, q, look)
	if err == nil {
		past.Shown, err = c.shown(before)
	}
	if err != nil {
		return past, fmt.Errorf("count the events of the history: %w", err)
	}
	past.IsPruned = c.state.prunedBelow > 0
	if c.edgeXID != nil {
		past.Next = stream.Position{Shown: past.Shown, XID: *c.edgeXID, ID: *c.edgeID}
	}
	if c.newestAt != nil && c.oldestAt != nil {
		past.Newest, past.Oldest = *c.newestAt, *c.oldestAt
	}
	for i, step := range c.steps {
		past.Buckets = append(past.Buckets, stream.Bucket{At: time.Unix(step, 0).UTC(), Type: c.types[i], Events: c.counts[i]})
	}
	return past, nil
}

// countEncodable counts, if necessary without the types, keys and grants that the encoding of the database lacks.
func (h *History) countEncodable(ctx context.Context, before stream.Position, q stream.CountQuery, look int) (c *counted, err error) {
	wants, hasFormer := q.Interest()
	c, err = h.count(ctx, before, q, wants, hasFormer, look)
	if !isUnreadable(err) {
		return c, err
	}
	if wants, err = h.encodable(ctx, wants); err != nil {
		return nil, err
	}
	return h.count(ctx, before, q, wants, hasFormer, look)
}

// encodable returns the interest without the values that the encoding of the database lacks: no event has them.
func (h *History) encodable(ctx context.Context, wants stream.Interest) (stream.Interest, error) {
	err := h.log.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		for _, list := range []*[]string{&wants.Types, &wants.Keys, &wants.Grants} {
			if *list == nil { // every one
				continue
			}
			kept := []string{}
			for _, value := range *list {
				switch _, err := conn.Exec(ctx, `select $1::text`, value); {
				case err == nil:
					kept = append(kept, value)
				case !isUnreadable(err):
					return err
				}
			}
			*list = kept
		}
		return nil
	})
	return wants, err
}

func (h *History) count(
	ctx context.Context, before stream.Position, q stream.CountQuery, wants stream.Interest, hasFormer bool, look int,
) (c *counted, err error) {
	xid, id, holes := startOf(before)
	err = h.log.withState(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		c = &counted{}
		row := conn.QueryRow(ctx, countPastSQL, xid, id, wants.Everything, wants.Types, wants.Keys, grantsParam(wants.Grants), look-1, holes,
			q.From, int64(q.Step/time.Second), hasFormer)
		return c.scan(row, db.ClusterOf(conn), &c.newestAt, &c.oldestAt, &c.steps, &c.types, &c.counts)
	})
	switch {
	case err != nil:
		return nil, err
	case c.isForeign():
		return nil, h.log.reset(ctx)
	}
	return c, nil
}
