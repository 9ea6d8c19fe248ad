package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream"
)

// Limits of a read. A Log holds copies of them, which tests set to small values.
const (
	readEvents   = 1000      // a read of more events is planned and fetched in pages
	planSize     = 20_000    // transactions in one plan
	pageBytes    = 256 << 10 // target size of a page
	maxPageBytes = 1 << 20   // a page that exceeds this by more than one event is truncated
)

// DefaultMaxEventBytes is the default of Options.MaxEventBytes.
const DefaultMaxEventBytes = 4 << 20

// Timeouts of a statement. Without them, a statement on a dead connection would wait forever.
const (
	readTimeout = 10 * time.Second
	planTimeout = time.Minute // a plan may count millions of events
)

// Options configure a Log. Zero values mean the defaults.
type Options struct {
	// MaxEventBytes is the size above which an event is not fetched: type, key, audience and data
	// together; DefaultMaxEventBytes if 0. Clients receive a larger event without its data.
	MaxEventBytes int64
	// Logger receives a line when the log was reset; nil discards it.
	Logger *slog.Logger
}

// Log reads pgherald.events. It implements stream.Log, and is safe for concurrent use.
type Log struct {
	pool   *pgxpool.Pool
	shared *shared
	logger *slog.Logger
	sizes
}

// shared is the state of a Log.
type shared struct {
	cluster  atomic.Pointer[string] // name of the cluster of the last connection used; nil before
	timeouts atomic.Int32           // reads that timed out since one succeeded, see adaptPages
	moves    atomic.Int32           // further reads in which events with former values are expected, see noteMoves
	resets   atomic.Uint64          // how often this server has reset the log
	refused  atomic.Uint64          // how often no connection became free
}

// sizes are the limits of a read.
type sizes struct {
	readEvents, planSize, pageBytes, maxPageBytes int
	maxEventBytes                                 int64
}

var _ stream.Log = (*Log)(nil)

// New returns the log in the database of a pool opened by db.OpenLogPool.
func New(pool *pgxpool.Pool, opts Options) *Log {
	if opts.MaxEventBytes <= 0 {
		opts.MaxEventBytes = DefaultMaxEventBytes
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Log{pool: pool, shared: new(shared), logger: opts.Logger, sizes: sizes{
		readEvents: readEvents, planSize: planSize, pageBytes: pageBytes, maxPageBytes: maxPageBytes, maxEventBytes: opts.MaxEventBytes,
	}}
}

// PageBytes bounds the memory of a page while it is encoded: its events as received, and once more.
func (l *Log) PageBytes() int64 { return 2 * (int64(l.maxPageBytes) + l.maxEventBytes) }

// maxTimeouts is the number of timeouts after which pages shrink no more.
const maxTimeouts = 4

// adaptPages notes whether a read timed out. Each timeout makes the first page of the following reads eight
// times smaller, down to a single event; each success makes it eight times larger again. So a page that
// cannot be transferred within the timeout is not requested forever.
func (l *Log) adaptPages(err error) {
	n := l.shared.timeouts.Load()
	switch {
	case err == nil && n > 0:
		l.shared.timeouts.CompareAndSwap(n, n-1)
	case errors.Is(err, errNoAnswer) && n < maxTimeouts:
		l.shared.timeouts.CompareAndSwap(n, n+1)
	}
}

// firstPage returns the number of events in the first page of a read.
func (l *Log) firstPage() int { return max(1, l.readEvents>>(3*l.shared.timeouts.Load())) }

// Read starts to read everything that is visible now and that from has not seen. The error wraps
// stream.ErrOtherLog, stream.ErrPruned or stream.ErrFuture if the log cannot honour the cursor.
func (l *Log) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	page, err := l.readFast(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if page.isForeign() {
		return nil, l.reset(ctx)
	}
	if err := page.state.validateCursor(from); err != nil {
		return nil, err
	}
	if page.truncated {
		return l.readInPages(ctx, from, page)
	}
	return l.readAtOnce(from, page), nil
}

// readFast reads the first page with one statement, if all of its events are small and readable.
func (l *Log) readFast(ctx context.Context, from stream.Cursor) (*page, error) {
	n := l.firstPage()
	args := []any{fastData(l.maxEventBytes), from.Next(), n + 1}
	newSQL, holesSQL := plainNewSQL, plainHolesSQL
	if l.shared.moves.Load() > 0 {
		newSQL, holesSQL = fastNewSQL, fastSQL
	}
	sql := newSQL
	if holes := from.Holes(); len(holes) > 0 {
		sql, args = holesSQL, append(args, holes)
	}
	p, err := l.run(ctx, sql, args, n)
	l.adaptPages(err)
	switch {
	case isUnreadable(err):
		return l.query(ctx, statement{sql: readSQL, args: []any{from.Next(), n + 1, holesParam(from)}, wants: everything, rows: n})
	case err != nil || p.truncated:
		return p, err
	}
	if err := l.complete(ctx, p); err != nil {
		return p, err
	}
	l.noteMoves(p)
	return p, nil
}

// expectMoves is the number of reads for which the log expects events with former values after it has read one. Reads
// that expect none take a tenth less, but have to read such events again.
const expectMoves = 100

// noteMoves notes whether a read had events with former values.
func (l *Log) noteMoves(p *page) {
	if slices.ContainsFunc(p.events, func(e event) bool { return e.Was != nil || e.AudienceWas != nil }) {
		l.shared.moves.Store(expectMoves)
	} else if n := l.shared.moves.Load(); n > 0 {
		l.shared.moves.CompareAndSwap(n, n-1)
	}
}

// complete reads the events that the page has in part only.
func (l *Log) complete(ctx context.Context, p *page) error {
	var partial []event
	p.events = slices.DeleteFunc(p.events, func(e event) bool {
		if e.isPartial {
			partial = append(partial, e)
		}
		return e.isPartial
	})
	if partial == nil {
		return nil
	}
	rest, err := l.query(ctx, byID(partial))
	if err != nil {
		return err
	}
	if err := p.append(rest); err != nil {
		return err
	}
	sortByID(p.events)
	return nil
}

// everything is the interest in every event.
var everything = stream.Interest{Everything: true}

// ReadTransaction starts to read the events of one committed transaction with ids above after. The
// parts that it yields have no cursor.
func (l *Log) ReadTransaction(_ context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	return &reading{log: l, epoch: epoch, size: max(1, l.firstPage()/2), partial: partialRead{xid: xid, after: after}}, nil
}

// Resume starts to read like Read, with a plan.
func (l *Log) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r := &reading{log: l, epoch: from.Epoch(), size: max(1, l.firstPage()/4)}
	if err := r.planAfter(ctx, from); err != nil {
		return nil, err
	}
	return r, nil
}

// errNoAnswer says that a statement timed out.
var errNoAnswer = errors.New("no answer")

// withConn runs do on a connection of the pool, and adds advice to its error. After a timeout it resets
// the pool, because the other connections are probably dead too. If all are in use, it does not: that says nothing
// about the database.
func (l *Log) withConn(ctx context.Context, timeout time.Duration, do func(context.Context, *pgx.Conn) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := l.pool.Acquire(limited)
	if err == nil {
		l.rememberCluster(db.ClusterOf(conn.Conn()))
		err = do(limited, conn.Conn())
		if ctx.Err() == nil && limited.Err() != nil {
			db.Abandon(conn)
		} else {
			conn.Release()
		}
	} else if full := db.NoConnection(l.pool, err); full != nil && limited.Err() != nil {
		l.shared.refused.Add(1)
		return full
	}
	if limited.Err() != nil && ctx.Err() == nil {
		l.pool.Reset()
		return fmt.Errorf("wait for the database: %w within %v: %w", errNoAnswer, timeout, err)
	}
	return db.Explain(err)
}

// Refused returns how often no connection became free in time.
func (l *Log) Refused() uint64 { return l.shared.refused.Load() }

func (l *Log) rememberCluster(cluster string) {
	if known := l.shared.cluster.Load(); known == nil || *known != cluster {
		l.shared.cluster.Store(&cluster)
	}
}
