package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
)

// noStatementTimeout disables the session's statement timeout for a delete: all events of one large
// transaction are deleted at once, which may take long.
const noStatementTimeout = `set local statement_timeout = 0`

// PrunerOptions configures a Pruner. Zero values mean the defaults.
type PrunerOptions struct {
	// MaxAge is the age above which events are pruned; 24 h if 0. A client that was disconnected for
	// a shorter time can resume.
	MaxAge time.Duration
	// MaxBytes is the approximate size above which the oldest events are pruned; 0 is no limit.
	MaxBytes int64
	// Interval is the time between two prunes; 1 min if 0.
	Interval time.Duration
	// Chunk is the number of events that one transaction deletes; 10,000 if 0.
	Chunk int
	// Logger receives the number of pruned events, and failures.
	Logger *slog.Logger
}

func (o PrunerOptions) withDefaults() PrunerOptions {
	if o.MaxAge <= 0 {
		o.MaxAge = 24 * time.Hour
	}
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Chunk <= 0 {
		o.Chunk = 10_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Pruner deletes old events. Any number of servers may run one; the server that holds the lock prunes, and the
// others skip their turn.
type Pruner struct {
	pool *pgxpool.Pool
	opts PrunerOptions

	mu     sync.Mutex
	status status.Pruner
}

// Status returns the counts since start.
func (p *Pruner) Status() status.Pruner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// NewPruner returns a pruner of the log in the pool's database. Run it.
func NewPruner(pool *pgxpool.Pool, opts PrunerOptions) *Pruner {
	return &Pruner{pool: pool, opts: opts.withDefaults()}
}

// Run prunes at intervals until ctx ends. It logs a failed prune and retries at the next interval.
func (p *Pruner) Run(ctx context.Context) {
	interval := time.NewTicker(p.opts.Interval)
	defer interval.Stop()
	for {
		n, err := p.Prune(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.opts.Logger.Warn("prune failed", "error", err)
		}
		if n > 0 {
			p.opts.Logger.Info("log pruned", "events", n, "max_age_ms", p.opts.MaxAge.Milliseconds())
		}
		select {
		case <-interval.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune deletes the events above the limits of age and size, in chunks. It returns their number. While another
// server prunes, it skips its turn.
func (p *Pruner) Prune(ctx context.Context) (int64, error) {
	for total := int64(0); ; {
		n, locked, err := p.pruneChunk(ctx)
		total += n
		p.record(n, locked, err)
		if err != nil || !locked || n == 0 {
			return total, err
		}
	}
}

// record counts a chunk. Only a chunk that the pruner looked for itself says that the log is pruned: the holder of
// the lock may be stuck.
func (p *Pruner) record(n int64, locked bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Pruned += uint64(n)
	switch {
	case err != nil:
		p.status.Failures++
	case !locked:
		p.status.Skipped++
	default:
		p.status.Last = time.Now()
	}
}

// pruneChunk deletes one chunk. locked is false if another server prunes.
func (p *Pruner) pruneChunk(ctx context.Context) (n int64, locked bool, err error) {
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if locked, err = db.TryLock(ctx, tx, db.PruneLock); err != nil || !locked {
			return err
		}
		excess, err := p.excess(ctx, tx)
		if err != nil {
			return err
		}
		horizon, err := p.horizon(ctx, tx, excess)
		if err != nil || horizon == 0 {
			return err
		}
		n, err = deleteBelow(ctx, tx, horizon)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("prune the log: %w", db.Explain(err))
	}
	return n, locked, nil
}

// sizeSQL estimates the size of the log from the newest events and the range of ids. The size of the
// files does not shrink with the log.
const sizeSQL = `
select
    coalesce((select e.id from pgherald.events as e order by e.xid desc, e.id desc limit 1), 0)
    - coalesce((select e.id from pgherald.events as e order by e.xid, e.id limit 1), 1)
    + 1 as events,
    coalesce((
        select avg(pg_column_size(n.*) + 64)
        from (select e.* from pgherald.events as e order by e.xid desc, e.id desc limit 1000) as n
    ), 0)::float8 as bytes`

// excess estimates the number of events above MaxBytes.
func (p *Pruner) excess(ctx context.Context, tx pgx.Tx) (int64, error) {
	if p.opts.MaxBytes <= 0 {
		return 0, nil
	}
	var events int64
	var bytes float64
	if err := tx.QueryRow(ctx, sizeSQL).Scan(&events, &bytes); err != nil || bytes == 0 {
		return 0, err
	}
	return max(0, events-int64(float64(p.opts.MaxBytes)/bytes)), nil
}

// oldestSQL returns the oldest transactions below the snapshot's xmin. A cursor may hold a running
// transaction as a hole, and the horizon must stay below it.
const oldestSQL = `
select o.xid, max(o.at) < now() - make_interval(secs => $2) as old, count(*) as events
from (
    select e.xid, e.at
    from pgherald.events as e
    where e.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by e.xid, e.id
    limit $1
) as o
group by o.xid
order by o.xid`

// horizon returns the xid below which one chunk is deleted, 0 if there is nothing to delete. It never
// splits a transaction.
func (p *Pruner) horizon(ctx context.Context, tx pgx.Tx, excess int64) (uint64, error) {
	limit := int64(p.opts.Chunk) + 1
	rows, err := tx.Query(ctx, oldestSQL, limit, p.opts.MaxAge.Seconds())
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var horizon uint64
	var seen int64
	for rows.Next() {
		var xid uint64
		var old bool
		var events int64
		if err := rows.Scan(&xid, &old, &events); err != nil {
			return 0, err
		}
		seen += events
		mayBePartial := seen == limit && horizon != 0 // leave it to the next chunk
		if mayBePartial || !old && seen > excess {
			break
		}
		horizon = xid + 1
	}
	rows.Close()
	return horizon, rows.Err()
}

// deleteBelow raises the log's horizon and deletes the events below it, in one transaction, so that a
// reader sees both or neither. It runs without a statement timeout: otherwise a transaction of ten
// million events would exceed the timeout at every attempt, and nothing would be pruned any more.
func deleteBelow(ctx context.Context, tx pgx.Tx, horizon uint64) (int64, error) {
	if _, err := tx.Exec(ctx, noStatementTimeout); err != nil {
		return 0, err
	}
	const raise = `update pgherald.log set pruned_below = $1 where pruned_below < $1`
	if _, err := tx.Exec(ctx, raise, horizon); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `delete from pgherald.events as e where e.xid < $1`, horizon)
	return tag.RowsAffected(), err
}
