package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// historyConns is how many connections of the log's pool serve the history at the same time. The feed and clients that
// catch up need the others.
const historyConns = 2

// historyTimeout bounds one read of the history.
const historyTimeout = 5 * time.Second

// History reads the log backwards. It implements stream.HistoryLog, and is safe for concurrent use.
type History struct {
	log   *Log
	slots chan struct{} // holds one element for each read in progress
}

var _ stream.HistoryLog = (*History)(nil)

// NewHistory returns the history of the log.
func NewHistory(log *Log) *History {
	return &History{log: log, slots: make(chan struct{}, historyConns)}
}

// What the statements of the history have in common. They look at $7 + 1 events before the position in $1 and $2, and leave
// out the transactions in $8. Of the columns, the first row has the state, the newest transaction, and the last event that
// the statement looked at, if earlier ones follow.
const (
	edgeSQL = `
with edge as materialized (
    select
        w.xid,
        w.id
    from pgherald.events as w
    where (w.xid, w.id) < ($1::xid8, $2::bigint)
    order by w.xid desc, w.id desc
    offset $7::bigint
    limit 1
),`

	beforePosition = `
        (e.xid, e.id) < ($1, $2)
        and (e.xid, e.id) >= (
            coalesce((select g.xid from edge as g), '0'::xid8),
            coalesce((select g.id from edge as g), '-9223372036854775808'::bigint)
        )
        and e.xid <> all($8::xid8[])`

	historyColumns = stateColumns + `,
    (select n.xid from pgherald.events as n order by n.xid desc, n.id desc limit 1) as newest,
    (select g.xid from edge as g) as edge_xid,
    (select g.id from edge as g) as edge_id`
)

// backSQL returns events before the position in $1 and $2: their transactions, ids and stored sizes. It looks at $7 + 1
// events, and returns at most $9. $3 to $6 are an interest, $8 holds transactions that the history does not show. The
// first row has the state, the newest transaction, and the last event that it looked at, if earlier ones follow.
//
// Audiences are in the table's main storage or small TOAST values: PostgreSQL decides without reading the data.
const backSQL = edgeSQL + `
found as materialized (
    select
        e.xid,
        e.id,
        pg_column_size(e.data)::bigint + coalesce(pg_column_size(e.was), 0)
        + coalesce(pg_column_size(e.audience), 0) + coalesce(pg_column_size(e.audience_was), 0) as bytes
    from pgherald.events as e
    where` + beforePosition + `
        and ` + ofInterest + `
    order by e.xid desc, e.id desc
    limit $9::bigint
)
select` + historyColumns + `,
    array(select f.xid from found as f order by f.xid desc, f.id desc) as xids,
    array(select f.id from found as f order by f.xid desc, f.id desc) as ids,
    array(select f.bytes from found as f order by f.xid desc, f.id desc) as sizes
from pgherald.log as l`

// backward holds the result of backSQL.
type backward struct {
	tail
	edgeXID *uint64 // nil if the log has no earlier events
	edgeID  *int64
	xids    []uint64
	ids     []int64
	sizes   []int64
}

// ReadBack implements stream.HistoryLog.
func (h *History) ReadBack(ctx context.Context, before stream.Position, wants stream.Interest, look, max int) (past stream.Past, err error) {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	release, err := h.enter(ctx)
	if err != nil {
		return past, err
	}
	defer release()
	past, err = h.readBack(ctx, before, wants, look, max)
	if err != nil {
		return past, fmt.Errorf("read the history: %w", err)
	}
	return past, nil
}

// enter waits for a slot.
func (h *History) enter(ctx context.Context) (release func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, &historyFullError{ctx.Err()}
	}
}

func (h *History) readBack(ctx context.Context, before stream.Position, wants stream.Interest, look, max int) (past stream.Past, err error) {
	found, err := h.find(ctx, before, wants, look, max)
	if isUnreadable(err) { // a parameter may be what has no equivalent in the encoding of the database
		wants = everything
		found, err = h.find(ctx, before, wants, look, max)
	}
	if err != nil {
		return past, err
	}
	if past.Shown, err = found.shown(before); err != nil {
		return past, err
	}
	n := found.fit(max, h.log.pageBytes)
	events, n, err := h.fetch(ctx, found, n, wants)
	if err != nil {
		return past, err
	}
	past.Events = events
	past.Looked, past.IsCut = look, n < len(found.ids)
	switch {
	case past.IsCut:
		past.Next = stream.Position{Shown: past.Shown, XID: found.xids[n-1], ID: found.ids[n-1]}
		past.Looked = n
	case found.edgeXID != nil:
		past.Next = stream.Position{Shown: past.Shown, XID: *found.edgeXID, ID: *found.edgeID}
	}
	return past, nil
}

// find looks up which events to read.
func (h *History) find(ctx context.Context, before stream.Position, wants stream.Interest, look, max int) (b *backward, err error) {
	xid, id, holes := startOf(before)
	err = h.log.withState(ctx, readTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		b = &backward{}
		row := conn.QueryRow(ctx, backSQL, xid, id, wants.Everything, wants.Types, wants.Keys, grantsParam(wants.Grants), look-1, holes, max+1)
		return b.scan(row, db.ClusterOf(conn), &b.xids, &b.ids, &b.sizes)
	})
	switch {
	case err != nil:
		return nil, err
	case b.isForeign():
		return nil, h.log.reset(ctx)
	}
	return b, nil
}

// startOf returns before which event to read, and the transactions that the history does not show.
func startOf(before stream.Position) (xid uint64, id int64, holes []uint64) {
	xid, id = before.XID, before.ID
	switch {
	case before.IsZero():
		xid, id = math.MaxUint64, math.MaxInt64
	case xid >= before.Shown.Next(): // later ones are not in the snapshot
		xid, id = before.Shown.Next(), math.MinInt64
	}
	return xid, id, holesParam(before.Shown)
}

// scan reads the state, the columns that all statements of the history have, and more.
func (b *backward) scan(row pgx.Row, cluster string, more ...any) (err error) {
	var raw rawState
	var lsn string
	columns := []any{&raw.logID, &raw.recovery, &lsn, &raw.prunedBelow, &raw.snapshot, &b.newest, &b.edgeXID, &b.edgeID}
	if err := row.Scan(append(columns, more...)...); err != nil {
		return db.Explain(err)
	}
	if raw.lsn, err = parseLSN(lsn); err != nil {
		return err
	}
	b.state, err = raw.parse(cluster)
	return err
}

// shown returns the snapshot that the history shows: on the first page that of the statement.
func (b *backward) shown(before stream.Position) (stream.Cursor, error) {
	if before.IsZero() {
		return b.cursor(), nil
	}
	// Pruned events are missing, which is no error.
	if err := b.state.validateCursor(before.Shown); err != nil && !errors.Is(err, stream.ErrPruned) {
		return stream.Cursor{}, err
	}
	return before.Shown, nil
}

// fit returns how many of the first events to fetch at once, at least one if there are any.
func (b *backward) fit(max, bytes int) int {
	sum := int64(0)
	for i, size := range b.sizes {
		if sum += size; i == max || i > 0 && sum > int64(bytes) {
			return i
		}
	}
	return len(b.sizes)
}

// fetch reads the first n events that were found, or fewer if they do not fit into a page. It returns how many it has read.
func (h *History) fetch(ctx context.Context, b *backward, n int, wants stream.Interest) ([]stream.PastEvent, int, error) {
	for ; n > 0; n = (n + 1) / 2 {
		ids := make([]event, n)
		for i := range ids {
			ids[i].xid, ids[i].ID = b.xids[i], b.ids[i]
		}
		st := byID(ids)
		st.wants = wants
		p, err := h.log.query(ctx, st)
		switch {
		case err != nil:
			return nil, 0, err
		case p.state.epoch != b.state.epoch:
			return nil, 0, fmt.Errorf("%w: it changed to %s during the read", stream.ErrOtherLog, p.state.epoch)
		case p.truncated && n > 1:
			continue
		}
		events := make([]stream.PastEvent, len(p.events))
		for i, e := range p.events {
			events[i] = stream.PastEvent{XID: e.xid, Event: e.Event}
		}
		slices.SortFunc(events, func(a, b stream.PastEvent) int {
			return cmp.Or(cmp.Compare(b.XID, a.XID), cmp.Compare(b.ID, a.ID))
		})
		return events, n, nil
	}
	return nil, 0, nil
}

// historyFullError says that other requests read the history.
type historyFullError struct{ error }

// Unwrap returns the error of the wait.
func (e *historyFullError) Unwrap() error { return e.error }

// PoolFull lets package problem recognize the error.
func (e *historyFullError) PoolFull() string { return "history" }
