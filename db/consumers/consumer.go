package consumers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/bounds"
)

// ErrLost says that the process is no longer the runner of the consumer: its lease has ended, PostgreSQL has recovered, or the consumer
// was reset or dropped.
var ErrLost = errors.New("this process is not the runner of the consumer any more")

// ActiveError says that another process is the runner.
type ActiveError struct{ Runner string }

func (e *ActiveError) Error() string {
	return "another process forwards for this consumer: " + e.Runner
}

// Options describe a runner. All are required.
type Options struct {
	Name   string // of the consumer
	Target string // where its events go, without secrets
	Runner string // the process
	Start  string // where a new consumer begins: now, oldest or a cursor
	Lease  time.Duration
}

// Consumer is a consumer as its runner sees it. It is safe for concurrent use.
type Consumer struct {
	pool     *db.Pool
	opts     Options
	recovery string // of PostgreSQL, in which the position was read
	entered  chan struct{}
}

// besideSave is the number of statements of workers at the same time. The pool has one connection more: Save extends the lease and must not
// wait for all that parks.
const besideSave = Conns - 1

// Conns is the number of connections that a runner's pool needs.
const Conns = 4

// Position is where a consumer continues.
type Position struct {
	Next  uint64   // the transactions below, except the holes, were seen
	Holes []uint64 // ascending
	// Reset is why the receiver has to load everything again; empty if it has not.
	Reset     string
	IsNew     bool
	IsSameLog bool // whether the log is still the one that was read
}

// Begin makes this process the runner. It returns an *ActiveError if another one is.
func Begin(ctx context.Context, pool *db.Pool, opts Options) (*Consumer, Position, error) {
	const sql = `
select
    f.active,
    f.next,
    f.holes,
    coalesce(f.reset, ''),
    coalesce(f.is_new, false),
    coalesce(f.is_same_log, false),
    coalesce(f.recovery, '')
from pgherald.begin_forward($1, $2, $3, $4::text::interval, $5) as f`
	var active *string
	var next *int64
	var holes []int64
	var p Position
	c := &Consumer{pool: pool, opts: opts, entered: make(chan struct{}, besideSave)}
	row := pool.QueryRow(ctx, sql, opts.Name, opts.Target, opts.Runner, interval(opts.Lease), opts.Start)
	if err := row.Scan(&active, &next, &holes, &p.Reset, &p.IsNew, &p.IsSameLog, &c.recovery); err != nil {
		return nil, p, fmt.Errorf("take the consumer %s: %w", opts.Name, db.Explain(err))
	}
	if active != nil {
		return nil, p, &ActiveError{Runner: *active}
	}
	if next == nil {
		return nil, p, fmt.Errorf("take the consumer %s: it has no position", opts.Name)
	}
	p.Next = uint64(*next)
	for _, h := range holes {
		p.Holes = append(p.Holes, uint64(h))
	}
	return c, p, nil
}

// interval spells a duration for PostgreSQL.
func interval(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }

// Progress holds what a runner stores.
type Progress struct {
	Next  uint64
	Holes []uint64
	Reset string // see Position
	// FailingSince is the time of the first failure in a row; zero without one.
	FailingSince time.Time
	Failure      string // the last one, while it fails
}

// Save stores the progress, and extends the lease. It returns ErrLost if this process is not the runner any more.
func (c *Consumer) Save(ctx context.Context, p Progress) error {
	const sql = `
update pgherald.consumers as c
set
    next = $3::text::xid8,
    holes = $4::text::xid8 [],
    reset = nullif($5, ''),
    failing_since = $6,
    failure = nullif($7, ''),
    consumed_at = clock_timestamp(),
    runs_until = clock_timestamp() + $8::text::interval
where
    c.name = $1
    and c.runner = $2
    and c.runs_until > clock_timestamp()
    and exists (select from pgherald.recovered as r where r.id = $9)`
	var since *time.Time
	if !p.FailingSince.IsZero() {
		since = &p.FailingSince
	}
	tag, err := c.pool.Exec(ctx, sql, c.opts.Name, c.opts.Runner, strconv.FormatUint(p.Next, 10), arrayOf(p.Holes), p.Reset, since,
		p.Failure, interval(c.opts.Lease), c.recovery)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrLost
	}
	if err != nil {
		return fmt.Errorf("store the position of the consumer %s: %w", c.opts.Name, db.Explain(err))
	}
	return nil
}

// arrayOf spells an array for PostgreSQL.
func arrayOf(xids []uint64) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, x := range xids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(x, 10))
	}
	b.WriteByte('}')
	return b.String()
}

// Reset makes the consumer continue now, and stores why its receiver has to load everything again. Begin again afterwards.
func (c *Consumer) Reset(ctx context.Context, reason string) error {
	var isDone bool
	err := c.pool.QueryRow(ctx, `select pgherald.reset_forward($1, $2, $3, $4)`, c.opts.Name, c.opts.Runner, c.recovery, reason).Scan(&isDone)
	if err == nil && !isDone {
		err = ErrLost
	}
	if err != nil {
		return fmt.Errorf("reset the consumer %s: %w", c.opts.Name, db.Explain(err))
	}
	return nil
}

// End ends the lease, so that another process need not wait for its end.
func (c *Consumer) End(ctx context.Context) error {
	const sql = `
update pgherald.consumers as c
set runner = null, runs_until = null
where c.name = $1 and c.runner = $2`
	if _, err := c.pool.Exec(ctx, sql, c.opts.Name, c.opts.Runner); err != nil {
		return fmt.Errorf("end the lease of the consumer %s: %w", c.opts.Name, db.Explain(err))
	}
	return nil
}

// collect runs a query in a transaction of the pool.
func collect[T any](ctx context.Context, pool *db.Pool, scan pgx.RowToFunc[T], sql string, args ...any) (found []T, err error) {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, db.Explain(err)
	}
	defer bounds.Rollback(ctx, tx)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, db.Explain(err)
	}
	found, err = pgx.CollectRows(rows, scan)
	return found, db.Explain(err)
}
