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

// Sizes of a read. A Log has its own copies of the first three, so that tests can make them small.
const (
	readEvents   = 1000    // more than this, and a read is planned and done in pages
	planSize     = 20_000  // transactions that one plan holds
	pageBytes    = 1 << 20 // about what a page holds
	maxPageBytes = 8 << 20 // what a page may hold by mistake before it is read again, smaller
)

// A connection can die without anybody being told. A read waits this long, then tries another.
const (
	readTimeout = 10 * time.Second
	planTimeout = time.Minute // a plan may have to count millions of events
)

// Log reads pgherald.events. It implements stream.Log.
type Log struct {
	pool       *pgxpool.Pool
	cluster    *atomic.Pointer[string] // what the pool was last connected to
	readEvents int
	planSize   int
	pageBytes  int
}

var _ stream.Log = (*Log)(nil)

// NewLog returns the log in the database of a pool that OpenLogPool has opened.
func New(pool *pgxpool.Pool) *Log {
	return &Log{pool: pool, cluster: new(atomic.Pointer[string]), readEvents: readEvents, planSize: planSize, pageBytes: pageBytes}
}

// endedHoles are those of the transactions in parameter $3 that have ended: the others have nothing to
// show yet, and a bulk load may have written a million rows that each read would look at in vain.
const endedHoles = `array(
        select h.xid
        from unnest($3::xid8[]) as h (xid)
        where pg_visible_in_snapshot(h.xid, pg_current_snapshot())
    )`

// What is new to a cursor without holes, in one statement, so that the events and the snapshot that
// explains them are of the same moment.
const readNewSQL = eventsSQL + `
(` + eventsBranch + `
    where e.xid >= $1
    limit $2
)`

// What is new to a cursor with holes: another look-up in the index, which Postgres would prepare also for
// none, and a reader that was woken for one event has to wait for that.
const readSQL = readNewSQL + `
union all
(` + eventsBranch + `
    where e.xid = any(` + endedHoles + `)
    limit $2
)`

// Read begins to read everything visible now that from has not seen.
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

// ReadTransaction begins to read the events of one transaction above the given id.
func (l *Log) ReadTransaction(_ context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	return &reading{log: l, epoch: epoch, events: -1, size: max(1, l.readEvents/2), partial: partialRead{xid: xid, after: after}}, nil
}

// The newest of the transactions that are to be left out, by counting events from the end.
const tailSQL = `
select` + stateColumns + `,
    (
        select e.xid
        from pgherald.events as e
        order by e.xid desc, e.id desc
        offset $1 limit 1
    ) as xid
from pgherald.log as l`

// Tail returns the cursor after which about the given number of events follow. It never has
// seen a transaction that was running.
func (l *Log) Tail(ctx context.Context, events int) (stream.Cursor, error) {
	var c stream.Cursor
	err := l.withConn(ctx, planTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		c, err = queryTail(ctx, conn, db.ClusterOf(conn), events)
		return err
	})
	return c, err
}

// Head returns the cursor of the transaction's snapshot: whoever has read tables in it has seen
// exactly what the cursor has seen, if it is REPEATABLE READ. The transaction may be of any pool of
// the same database; it must not wait for those who read the log.
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

// with runs do on a connection of the pool, and puts errors into words. When do takes too long
// the other idle connections are given up too: they have probably died with this one.
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
		return fmt.Errorf("no answer from the database within %v: %w", timeout, err)
	}
	return db.Explain(err)
}

func (l *Log) rememberCluster(cluster string) {
	if known := l.cluster.Load(); known == nil || *known != cluster {
		l.cluster.Store(&cluster)
	}
}
