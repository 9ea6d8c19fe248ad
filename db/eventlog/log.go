package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// Limits of a read. A Log holds copies of the first three, which tests set to small values.
const (
	readEvents   = 1000    // a read of more events is planned and fetched in pages
	planSize     = 20_000  // transactions in one plan
	pageBytes    = 1 << 20 // target size of a page
	maxPageBytes = 8 << 20 // a page that exceeds this is truncated and fetched again, smaller
)

// Timeouts of a statement. Without them, a statement on a dead connection would wait forever.
const (
	readTimeout = 10 * time.Second
	planTimeout = time.Minute // a plan may count millions of events
)

// Log reads pgherald.events. It implements stream.Log, and is safe for concurrent use.
type Log struct {
	pool       *pgxpool.Pool
	cluster    *atomic.Pointer[string] // name of the cluster of the last connection used; nil before
	readEvents int
	planSize   int
	pageBytes  int
}

var _ stream.Log = (*Log)(nil)

// New returns the log in the database of a pool opened by db.OpenLogPool.
func New(pool *pgxpool.Pool) *Log {
	return &Log{pool: pool, cluster: new(atomic.Pointer[string]), readEvents: readEvents, planSize: planSize, pageBytes: pageBytes}
}

// endedHoles selects the transactions of parameter $3 that have ended. A running one has no visible
// events, yet a bulk load may have written a million rows that each read would inspect.
const endedHoles = `array(
        select h.xid
        from unnest($3::xid8[]) as h (xid)
        where pg_visible_in_snapshot(h.xid, pg_current_snapshot())
    )`

// readNewSQL returns the events that a cursor without holes has not seen. It is one statement, so that
// the events and the snapshot are of the same moment.
const readNewSQL = eventsSQL + `
(` + eventsBranch + `
    where e.xid >= $1
    limit $2
)`

// readSQL returns the events that a cursor with holes has not seen. Cursors without holes use
// readNewSQL, because PostgreSQL would set up the second look-up for an empty array too, which delays
// the common read of one event.
const readSQL = readNewSQL + `
union all
(` + eventsBranch + `
    where e.xid = any(` + endedHoles + `)
    limit $2
)`

// Read starts to read everything that is visible now and that from has not seen. The error wraps
// stream.ErrOtherLog, stream.ErrPruned or stream.ErrFuture if the log cannot honour the cursor.
func (l *Log) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	sql, args := readNewSQL, []any{from.Next(), l.readEvents + 1}
	if holes := from.Holes(); len(holes) > 0 {
		sql, args = readSQL, append(args, holes)
	}
	page, err := l.query(ctx, sql, l.readEvents, maxPageBytes, args...)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if err := page.state.validateCursor(from); err != nil {
		return nil, err
	}
	if page.truncated {
		return l.readInPages(ctx, from, page)
	}
	return l.readAtOnce(from, page), nil
}

// ReadTransaction starts to read the events of one committed transaction with ids above after. The
// parts that it yields have no cursor.
func (l *Log) ReadTransaction(_ context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	return &reading{log: l, epoch: epoch, events: -1, size: max(1, l.readEvents/2), partial: partialRead{xid: xid, after: after}}, nil
}

// tailSQL returns the newest transaction that is not among the last $1 events.
const tailSQL = `
select` + stateColumns + `,
    (
        select e.xid
        from pgherald.events as e
        order by e.xid desc, e.id desc
        offset $1 limit 1
    ) as xid
from pgherald.log as l`

// Tail returns the cursor after which about the given number of events follow. The running
// transactions are holes of the cursor.
func (l *Log) Tail(ctx context.Context, events int) (stream.Cursor, error) {
	var c stream.Cursor
	err := l.withConn(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		c, err = queryTail(ctx, conn, db.ClusterOf(conn), events)
		return err
	})
	return c, err
}

// SnapshotCursor returns the cursor of the transaction's snapshot. If tx is REPEATABLE READ, the cursor
// has seen exactly the transactions whose effects can be read in tx. tx may belong to any pool of the
// same database; this call does not wait for a connection of the log's pool.
func (l *Log) SnapshotCursor(ctx context.Context, tx pgx.Tx) (stream.Cursor, error) {
	cluster := l.cluster.Load()
	if cluster == nil {
		return stream.Cursor{}, errors.New("find the end of the log: it was never read")
	}
	return queryTail(ctx, tx.Conn(), *cluster, 0)
}

func queryTail(ctx context.Context, conn *pgx.Conn, cluster string, events int) (stream.Cursor, error) {
	var raw rawState
	var newest *uint64
	err := conn.QueryRow(ctx, tailSQL, events).Scan(&raw.logID, &raw.timeline, &raw.prunedBelow, &raw.snapshot, &newest)
	if err != nil {
		return stream.Cursor{}, fmt.Errorf("find the end of the log: %w", db.Explain(err))
	}
	st, err := raw.parse(cluster)
	if err != nil {
		return stream.Cursor{}, err
	}
	next := st.prunedBelow
	if newest != nil {
		next = max(next, *newest+1)
	}
	return stream.NewCursor(st.epoch, next, st.snapshot.Running), nil
}

// withConn runs do on a connection of the pool, and adds advice to its error. After a timeout it resets
// the pool, because the other connections are probably dead too.
func (l *Log) withConn(ctx context.Context, timeout time.Duration, do func(context.Context, *pgx.Conn) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := l.pool.Acquire(limited)
	if err == nil {
		l.rememberCluster(db.ClusterOf(conn.Conn()))
		err = do(limited, conn.Conn())
		conn.Release()
	}
	if limited.Err() != nil && ctx.Err() == nil {
		l.pool.Reset()
		return fmt.Errorf("wait for the database: no answer within %v: %w", timeout, err)
	}
	return db.Explain(err)
}

func (l *Log) rememberCluster(cluster string) {
	if known := l.cluster.Load(); known == nil || *known != cluster {
		l.cluster.Store(&cluster)
	}
}
