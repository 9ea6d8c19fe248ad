package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream"
)

// eventsSQL is how each statement begins that returns events: one row with the state, then the
// events of the branch that follows.
const eventsSQL = `
select` + stateColumns + `,
    null::bigint as id,
    null::xid8 as xid,
    null::timestamptz as at,
    null::text as type,
    null::text as key,
    null::text[] as audience,
    null::text as data
from pgherald.log as l
union all`

// eventsBranch is how each branch begins that follows.
const eventsBranch = `
    select null, null, null, null, e.id, e.xid, e.at, e.type, e.key, e.audience, e.data::text
    from pgherald.events as e`

// dataColumn is the place of the column data.
const dataColumn = 10

// page is what one statement returned.
type page struct {
	state  state
	events []event // in the order of their ids
	bytes  int
	cut    bool // there was more than fits
	missed int  // bytes that came and did not fit
}

// event is a row of the log with its transaction.
type event struct {
	xid uint64
	stream.Event
}

// query runs a statement that begins with eventsSQL. It keeps at most the given rows and bytes,
// and says if it had to cut.
func (l *Log) query(ctx context.Context, sql string, rows, bytes int, args ...any) (*page, error) {
	p := &page{}
	err := l.with(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		result, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer result.Close()
		var raw rawState
		for result.Next() {
			if err := p.scan(result, &raw, rows, bytes); err != nil {
				return err
			}
			if p.missed > bytes { // there is no other way to stop Postgres from sending it all
				_ = conn.Close(ctx)
				break
			}
		}
		if err := result.Err(); err != nil {
			return err
		}
		p.state, err = raw.parse(clusterOf(conn))
		return err
	})
	sortByID(p.events)
	return p, err
}

func (p *page) scan(rows pgx.Rows, raw *rawState, maxRows, maxBytes int) error {
	if p.cut {
		p.missed += len(rows.RawValues()[dataColumn])
		return nil
	}
	var s struct {
		logID, timeline, snapshot *string
		prunedBelow, xid          *uint64
		id                        *int64
		at                        *time.Time
		kind, key                 *string
		audience                  []*string
		data                      []byte
	}
	err := rows.Scan(&s.logID, &s.timeline, &s.prunedBelow, &s.snapshot, &s.id, &s.xid, &s.at, &s.kind, &s.key, &s.audience, &s.data)
	if err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if s.id == nil {
		*raw = rawState{logID: *s.logID, timeline: *s.timeline, prunedBelow: *s.prunedBelow, snapshot: *s.snapshot}
		return nil
	}
	if len(p.events) == maxRows || len(p.events) > 0 && p.bytes+len(s.data) > maxBytes {
		p.cut = true
		return nil
	}
	e := event{xid: *s.xid, Event: stream.Event{ID: *s.id, Type: *s.kind, Audience: tags(s.audience), Data: s.data, At: *s.at}}
	if s.key != nil {
		e.Key = *s.key
	}
	p.events = append(p.events, e)
	p.bytes += len(s.data)
	return nil
}

// tags leaves nulls out: they are nobody. A null array is everyone, one without tags is not.
func tags(audience []*string) []string {
	if audience == nil {
		return nil
	}
	out := make([]string, 0, len(audience))
	for _, tag := range audience {
		if tag != nil {
			out = append(out, *tag)
		}
	}
	return out
}

// holes are the cursor's holes as a parameter: an empty array, never null.
func holes(c stream.Cursor) []uint64 {
	if h := c.Holes(); h != nil {
		return h
	}
	return []uint64{}
}

func sortByID(events []event) {
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.ID, b.ID) })
}
