// Package relays keeps the leases of pgherald relay in pgherald.relays.
//
// It promises that at most one process at a time has the lease of a stream, by PostgreSQL's clock, and that each that takes it has a higher
// term than all before. A process that stood still for longer than its lease may not know that it has lost it: the stream store refuses its
// writes once the next one has begun.
package relays

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// Conns is the number of connections that a process needs.
const Conns = 2

// ErrLost says that the process does not have the lease any more.
var ErrLost = errors.New("this process does not have the lease of the relay any more")

// ActiveError says that another process has the lease.
type ActiveError struct{ Runner string }

func (e *ActiveError) Error() string {
	return "another process copies the log into this stream: " + e.Runner
}

// Options describe a lease. All are required.
type Options struct {
	Name   string // of the stream
	Runner string // the process
	Time   time.Duration
	// AtLeast is the lowest term that the stream store accepts: after a restore, the table may have forgotten terms.
	AtLeast uint64
}

// Lease is the right to write to a stream. It is safe for concurrent use.
type Lease struct {
	pool *db.Pool
	opts Options
	term int64
}

// Take takes the lease. It returns an *ActiveError if another process has it.
func Take(ctx context.Context, pool *db.Pool, opts Options) (*Lease, error) {
	const sql = `
insert into pgherald.relays as r (name, term, runner, runs_until)
values ($1, $2, $3, clock_timestamp() + $4::text::interval)
on conflict (name) do update
set
    term = greatest(r.term + 1, excluded.term),
    runner = excluded.runner,
    runs_until = excluded.runs_until
where r.runs_until is null or r.runs_until <= clock_timestamp()
returning r.term`
	l := &Lease{pool: pool, opts: opts}
	err := pool.QueryRow(ctx, sql, opts.Name, int64(max(opts.AtLeast, 1)), opts.Runner, interval(opts.Time)).Scan(&l.term)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, active(ctx, pool, opts.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("take the lease of the relay %s: %w", opts.Name, db.Explain(err))
	}
	return l, nil
}

// active returns an *ActiveError with the process that has the lease.
func active(ctx context.Context, pool *db.Pool, name string) error {
	var runner *string
	err := pool.QueryRow(ctx, `select r.runner from pgherald.relays as r where r.name = $1`, name).Scan(&runner)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look which relay is active: %w", db.Explain(err))
	}
	if runner == nil {
		return &ActiveError{Runner: "one that has just ended"}
	}
	return &ActiveError{Runner: *runner}
}

func interval(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }

// Term returns the term.
func (l *Lease) Term() uint64 { return uint64(l.term) }

// Extend extends the lease. It returns ErrLost if the process does not have it any more.
func (l *Lease) Extend(ctx context.Context) error {
	const sql = `
update pgherald.relays as r
set runs_until = clock_timestamp() + $4::text::interval
where r.name = $1 and r.term = $2 and r.runner = $3 and r.runs_until > clock_timestamp()`
	return l.update(ctx, "extend", sql, interval(l.opts.Time))
}

// End ends the lease, so that another process need not wait for its end.
func (l *Lease) End(ctx context.Context) error {
	const sql = `
update pgherald.relays as r
set runner = null, runs_until = null
where r.name = $1 and r.term = $2 and r.runner = $3`
	return l.update(ctx, "end", sql)
}

func (l *Lease) update(ctx context.Context, verb, sql string, more ...any) error {
	tag, err := l.pool.Exec(ctx, sql, append([]any{l.opts.Name, l.term, l.opts.Runner}, more...)...)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrLost
	}
	if err != nil {
		return fmt.Errorf("%s the lease of the relay %s: %w", verb, l.opts.Name, db.Explain(err))
	}
	return nil
}
