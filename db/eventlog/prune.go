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
)

// pruneLock is the advisory lock of whoever prunes: "pgherald" in ASCII, less its last letter,
// and a number.
const pruneLock = 0x7067686572616c01

// noStatementTimeout is for a transaction that deletes as many events as one transaction of a writer had.
const noStatementTimeout = `set local statement_timeout = 0`

// PrunerOptions say what is kept. Zero values mean the defaults.
type PrunerOptions struct {
	// MaxAge is how old an event may become; 24 h if 0. It is how long a client may be away and
	// still resume.
	MaxAge time.Duration
	// MaxBytes is about how large the log may become; 0 means that only age counts.
	MaxBytes int64
	// Interval is the time between two looks at the log; 1 min if 0.
	Interval time.Duration
	// Chunk is how many events one transaction deletes; 10,000 if 0.
	Chunk int
	// Logger is told what was pruned.
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

// Pruner deletes old events. Any number of servers may run one: whichever holds the lock prunes.
type Pruner struct {
	pool *pgxpool.Pool
	opts PrunerOptions

	mu     sync.Mutex
	status PrunerStatus
}

// PrunerStatus says what a pruner has done.
type PrunerStatus struct {
	Pruned   uint64    // events deleted
	Failures uint64    // prunes that did not work
	Last     time.Time // when one last worked; zero if none has
}

// Status says what the pruner has done.
func (p *Pruner) Status() PrunerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// NewPruner returns a pruner of the log in the pool's database.
func NewPruner(pool *pgxpool.Pool, opts PrunerOptions) *Pruner {
	return &Pruner{pool: pool, opts: opts.withDefaults()}
}

// Run prunes until ctx ends. A prune that does not work is logged and tried again later.
func (p *Pruner) Run(ctx context.Context) {
	interval := time.NewTicker(p.opts.Interval)
	defer interval.Stop()
	for {
		n, err := p.Prune(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.opts.Logger.Warn("log could not be pruned", "error", err)
		}
		if n > 0 {
			p.opts.Logger.Info("log pruned", "events", n, "max_age", p.opts.MaxAge)
		}
		select {
		case <-interval.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune deletes everything that is too old or too much, in chunks, and returns how many events
// that were: 0 if another server is pruning.
func (p *Pruner) Prune(ctx context.Context) (int64, error) {
	for total := int64(0); ; {
		n, err := p.pruneChunk(ctx)
		total += n
		p.record(n, err)
		if err != nil || n == 0 {
			return total, err
		}
	}
}

func (p *Pruner) record(n int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Pruned += uint64(n)
	if err != nil {
		p.status.Failures++
		return
	}
	p.status.Last = time.Now()
}

func (p *Pruner) pruneChunk(ctx context.Context) (n int64, err error) {
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1)`, int64(pruneLock)).Scan(&mine); err != nil || !mine {
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
		return 0, fmt.Errorf("prune the log: %w", db.Explain(err))
	}
	return n, nil
}

// The size of the log, by the newest events and the range of the ids. The files would not tell:
// they keep the size that they once had.
const sizeSQL = `
select
    coalesce((select e.id from pgherald.events as e order by e.xid desc, e.id desc limit 1), 0)
    - coalesce((select e.id from pgherald.events as e order by e.xid, e.id limit 1), 1)
    + 1 as events,
    coalesce((
        select avg(pg_column_size(n.*) + 64)
        from (select e.* from pgherald.events as e order by e.xid desc, e.id desc limit 1000) as n
    ), 0)::float8 as bytes`

// excess is about how many events are too many.
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

// The oldest transactions. None that was running, nor any younger than one that was: a server
// still waits for its events.
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

// horizon returns the transaction below which everything is to go, 0 if nothing is. Transactions
// go as a whole.
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
		cut := seen == limit && horizon != 0 // perhaps not all of it: leave it to the next chunk
		if cut || !old && seen > excess {
			break
		}
		horizon = xid + 1
	}
	rows.Close()
	return horizon, rows.Err()
}

// deleteBelow raises the log's horizon and deletes, so that nobody sees one without the other. It takes
// its time: a transaction of ten million events would otherwise be tried for ever, and stop all pruning.
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
