package eventlog

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/db"
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

// page is what one statement returned.
type page struct {
	state        state
	events       []event // in the order of their ids
	bytes        int
	truncated    bool // there was more than fits
	skippedBytes int  // bytes that came and did not fit
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
	err := l.withConn(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		result, err := conn.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
		if err != nil {
			return err
		}
		defer result.Close()
		var raw rawState
		for result.Next() {
			if err := p.add(result.RawValues(), &raw, conn.TypeMap(), rows, bytes); err != nil {
				return err
			}
			if p.skippedBytes > bytes { // there is no other way to stop Postgres from sending it all
				_ = conn.Close(ctx)
				break
			}
		}
		if err := result.Err(); err != nil {
			return err
		}
		p.state, err = raw.parse(db.ClusterOf(conn))
		return err
	})
	sortByID(p.events)
	return p, err
}

// add keeps what a row says, as far as there is room for it.
func (p *page) add(r row, raw *rawState, types *pgtype.Map, maxRows, maxBytes int) error {
	size := len(r[dataColumn])
	if p.truncated {
		p.skippedBytes += size
		return nil
	}
	found, isState, err := r.state()
	if isState || err != nil {
		*raw = found
		return err
	}
	if len(p.events) == maxRows || len(p.events) > 0 && p.bytes+size > maxBytes {
		p.truncated = true
		return nil
	}
	e, err := r.event(types)
	if err != nil {
		return err
	}
	p.events = append(p.events, e)
	p.bytes += size
	return nil
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
