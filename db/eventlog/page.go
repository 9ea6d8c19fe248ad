package eventlog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// eventsSQL is the beginning of each statement that returns events. It selects one row that holds the
// state; an eventsBranch follows.
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

// eventsBranch selects events; a condition on e follows.
const eventsBranch = `
    select null, null, null, null, e.id, e.xid, e.at, e.type, e.key, e.audience, e.data::text
    from pgherald.events as e`

// The columns of a statement that begins with eventsSQL.
const (
	logIDColumn = iota
	timelineColumn
	prunedBelowColumn
	snapshotColumn
	idColumn
	xidColumn
	atColumn
	typeColumn
	keyColumn
	audienceColumn
	dataColumn
)

// page is the result of one statement.
type page struct {
	state        state
	events       []event // ordered by id
	bytes        int     // of the events' data
	truncated    bool    // the result exceeded the limits
	skippedBytes int     // bytes of data beyond the limits, received and discarded
}

// event is a row of the log with its transaction.
type event struct {
	xid uint64
	stream.Event
}

// query runs a statement that begins with eventsSQL. It keeps at most the given number of rows and
// bytes of data, and marks the page as truncated if there was more.
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
			if p.skippedBytes > bytes { // only a closed connection stops PostgreSQL from sending the rest
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

// add keeps the row if the page has room for it.
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

// row is a row of a statement that begins with eventsSQL, in PostgreSQL's binary format. It is valid
// until the next row is read.
//
// Its methods decode the columns, because pgx's Scan looks up the decoder of each column anew for each
// statement. On an idle machine, that takes longer than all other processing of an event.
type row [][]byte

// state returns the state, and false if the row is an event.
func (r row) state() (raw rawState, ok bool, err error) {
	if r[idColumn] != nil {
		return rawState{}, false, nil
	}
	raw = rawState{logID: string(r[logIDColumn]), timeline: string(r[timelineColumn]), snapshot: string(r[snapshotColumn])}
	raw.prunedBelow, err = r.uint64(prunedBelowColumn)
	return raw, true, err
}

// event returns a copy of the event.
func (r row) event(types *pgtype.Map) (e event, err error) {
	id, err := r.uint64(idColumn)
	if err != nil {
		return e, err
	}
	if e.xid, err = r.uint64(xidColumn); err != nil {
		return e, err
	}
	at, err := r.uint64(atColumn)
	if err != nil {
		return e, err
	}
	var audience []*string
	if r[audienceColumn] != nil {
		if err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, r[audienceColumn], &audience); err != nil {
			return e, fmt.Errorf("read an event's audience: %w", err)
		}
	}
	e.Event = stream.Event{
		ID: int64(id), Type: string(r[typeColumn]), Key: string(r[keyColumn]), Audience: nonNullTags(audience),
		Data: append([]byte{}, r[dataColumn]...), At: timestamp(int64(at)),
	}
	return e, nil
}

// uint64 decodes a bigint, an xid8 or a timestamptz: eight bytes in network order.
func (r row) uint64(column int) (uint64, error) {
	if len(r[column]) != 8 {
		return 0, fmt.Errorf("read column %d of the log: it has %d bytes, not 8", column+1, len(r[column]))
	}
	return binary.BigEndian.Uint64(r[column]), nil
}

// timestamp converts a timestamptz: microseconds since the start of the year 2000, UTC.
func timestamp(micros int64) time.Time {
	const y2k = 946_684_800 // Unix seconds
	return time.Unix(y2k+micros/1_000_000, micros%1_000_000*1000)
}

// nonNullTags returns the audience without null tags, which match no grant. It keeps the difference
// between nil, which makes the event public, and an empty audience, which withholds it.
func nonNullTags(audience []*string) []string {
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

func sortByID(events []event) {
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.ID, b.ID) })
}

// state describes the log at the time of one snapshot. Every statement on the log returns it with its
// events.
type state struct {
	epoch       string
	prunedBelow uint64 // events of transactions below may be gone
	snapshot    db.Snapshot
}

// stateColumns are the columns of the state, for a select from pgherald.log as l.
const stateColumns = `
    l.id::text as log_id,
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline,
    l.pruned_below,
    pg_current_snapshot()::text as snapshot`

// validateCursor returns nil if the log can continue exactly after the cursor. Otherwise the error wraps
// stream.ErrOtherLog, stream.ErrFuture or stream.ErrPruned.
func (s *state) validateCursor(c stream.Cursor) error {
	switch {
	case c.Epoch() != s.epoch:
		return fmt.Errorf("%w: it names %s, this is %s", stream.ErrOtherLog, c.Epoch(), s.epoch)
	case c.Next() > s.snapshot.Xmax:
		return fmt.Errorf("%w: it has seen up to %d, the next is %d", stream.ErrFuture, c.Next(), s.snapshot.Xmax)
	case c.Next() < s.prunedBelow, len(c.Holes()) > 0 && c.Holes()[0] < s.prunedBelow:
		return fmt.Errorf("%w: events below %d may be gone", stream.ErrPruned, s.prunedBelow)
	}
	return nil
}

// epoch names a log on a timeline of a cluster. After a restore elsewhere, or a failover to a server
// that had not received everything, the same xids belong to other transactions.
func epoch(cluster, logID, timeline string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + logID + "/" + timeline))
	text := strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 36)
	return ("000000" + text)[len(text):]
}

// rawState is a state as PostgreSQL returns it.
type rawState struct {
	logID, timeline, snapshot string
	prunedBelow               uint64
}

func (r *rawState) parse(cluster string) (state, error) {
	if r.logID == "" {
		return state{}, errors.New("read the log: pgherald.log has no row: run pgherald migrate up")
	}
	snap, err := db.ParseSnapshot(r.snapshot)
	if err != nil {
		return state{}, err
	}
	return state{epoch: epoch(cluster, r.logID, r.timeline), prunedBelow: r.prunedBelow, snapshot: snap}, nil
}
