package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// endSQL returns the state and the newest transaction, as one text.
const endSQL = `select pgherald.log_end()`

// tailSQL returns the newest transaction behind the last $1 events or, if they take more than $2 bytes as
// PostgreSQL stores them, behind fewer.
const tailSQL = `
select` + stateColumns + `,
    (
        select r.xid
        from (
            select
                n.xid,
                n.id,
                row_number() over newest as events,
                sum(n.bytes) over newest as bytes
            from (
                select
                    e.xid,
                    e.id,
                    pg_column_size(e.data)
                    + coalesce(pg_column_size(e.was), 0)
                    + coalesce(pg_column_size(e.audience), 0)
                    + coalesce(pg_column_size(e.audience_was), 0)
                    + 100 as bytes
                from pgherald.events as e
                order by e.xid desc, e.id desc
                limit $1::bigint + 1
            ) as n
            window newest as (order by n.xid desc, n.id desc rows unbounded preceding)
        ) as r
        where r.events > $1 or r.bytes > $2::bigint
        order by r.xid desc, r.id desc
        limit 1
    ) as xid
from pgherald.log as l`

// Tail returns a cursor after which about the given number of events follow, or fewer if those take more
// bytes. The running transactions are holes of the cursor. If the log holds foreign transactions, Tail
// resets the log and returns an error that wraps stream.ErrOtherLog.
func (l *Log) Tail(ctx context.Context, events int, bytes int64) (c stream.Cursor, err error) {
	var t *tail
	err = l.withState(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		t, err = queryTail(ctx, conn, db.ClusterOf(conn), tailSQL, events, bytes)
		return err
	})
	switch {
	case err != nil:
		return c, err
	case t.isForeign():
		return c, l.reset(ctx)
	}
	return t.cursor(), nil
}

// SnapshotCursor returns the cursor of the transaction's snapshot. If tx is REPEATABLE READ, the cursor
// has seen exactly the transactions whose effects can be read in tx. tx may belong to any pool of the
// same database; this call does not wait for a connection of the log's pool, except after a recovery of
// PostgreSQL that no server has recorded. That recovery ended before tx began, since it ended every session.
func (l *Log) SnapshotCursor(ctx context.Context, tx pgx.Tx) (stream.Cursor, error) {
	var end []byte // nil without a row
	if err := tx.Conn().QueryRow(ctx, endSQL).Scan(&end); err != nil {
		return stream.Cursor{}, fmt.Errorf("find the end of the log: %w", db.Explain(err))
	}
	return l.snapshotCursor(ctx, string(end))
}

// SnapshotSQL returns a statement whose only value, a text, becomes a cursor by ParseSnapshot: a program that sends several
// statements at once runs it among them.
func (l *Log) SnapshotSQL() string { return endSQL }

// ParseSnapshot returns the cursor that SnapshotCursor would have returned in the transaction in which SnapshotSQL
// returned the value.
func (l *Log) ParseSnapshot(ctx context.Context, value []byte) (stream.Cursor, error) {
	return l.snapshotCursor(ctx, string(value))
}

func (l *Log) snapshotCursor(ctx context.Context, end string) (stream.Cursor, error) {
	cluster := l.shared.cluster.Load()
	if cluster == nil {
		return stream.Cursor{}, errors.New("find the end of the log: it was never read")
	}
	raw, newest, err := parseEnd(end)
	if err != nil {
		return stream.Cursor{}, err
	}
	if raw.recovery == nil {
		id, err := l.newestRecovery(ctx)
		if err != nil {
			return stream.Cursor{}, err
		}
		raw.recovery = &id
	}
	state, err := raw.parse(*cluster)
	t := tail{state: state, newest: newest}
	return t.cursor(), err
}

// parseEnd parses what pgherald.log_end returns. The newest transaction is nil if there is none.
func parseEnd(end string) (raw rawState, newest *uint64, err error) {
	parts := strings.Split(end, " ")
	if len(parts) != 6 {
		return raw, nil, errors.New("read the log: pgherald.log has no row: run pgherald migrate up")
	}
	raw.logID, raw.snapshot = parts[0], parts[5]
	if parts[1] != "-" {
		raw.recovery = &parts[1]
	}
	if raw.lsn, err = parseLSN(parts[2]); err != nil {
		return raw, nil, err
	}
	if raw.prunedBelow, err = strconv.ParseUint(parts[3], 10, 64); err != nil || parts[4] == "-" {
		return raw, nil, err
	}
	xid, err := strconv.ParseUint(parts[4], 10, 64)
	return raw, &xid, err
}

// tail says where the newest part of the log begins.
type tail struct {
	state  state
	newest *uint64 // the newest transaction before that part; nil if there is none
}

func queryTail(ctx context.Context, conn *pgx.Conn, cluster, sql string, args ...any) (*tail, error) {
	var raw rawState
	t := &tail{}
	err := raw.scan(conn.QueryRow(ctx, sql, args...), &t.newest)
	if err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", db.Explain(err))
	}
	t.state, err = raw.parse(cluster)
	return t, err
}

func (t *tail) cursor() stream.Cursor {
	next := t.state.prunedBelow
	if t.newest != nil {
		next = max(next, *t.newest+1)
	}
	return stream.NewCursor(t.state.epoch, next, t.state.snapshot.Running).WithLSN(t.state.lsn)
}

func (t *tail) isForeign() bool {
	return t.state.isForeign() || t.newest != nil && t.state.isFuture(*t.newest)
}
