package eventlog

import (
	"context"
	"errors"
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
	// MaxBytes is the size of all events above which the oldest are pruned; 0 is no limit. The files of the log may be
	// larger: PostgreSQL keeps the room of deleted rows for new ones.
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

// chunkLimit bounds a chunk, and the measuring before it, whose statements may each take long: the connection may be dead, and the next
// chunk needs another one. A large transaction may take longer: after a chunk that took its limit, the next one has twice as much, up to
// maxChunkDoublings times.
const (
	chunkLimit        = time.Hour
	maxChunkDoublings = 6
)

// Pruner deletes old events. Any number of servers may run one; the server that holds the lock prunes, and the
// others skip their turn.
type Pruner struct {
	pool  *pgxpool.Pool
	opts  PrunerOptions
	limit time.Duration // of a chunk; chunkLimit, except in tests

	pruning   sync.Mutex // held by Prune; guards size and doublings
	size      logSize
	doublings int // of limit, for the next chunk

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
	opts = opts.withDefaults()
	return &Pruner{pool: pool, opts: opts, limit: chunkLimit, size: logSize{pool: pool, page: 2 * opts.Chunk}, status: status.Pruner{MaxAge: opts.MaxAge}}
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
	p.pruning.Lock()
	defer p.pruning.Unlock()
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
	bytes, measured, err := p.measure(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("prune the log: %w", db.Explain(err))
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit<<p.doublings)
	defer cancel()
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if locked, err = db.TryLock(ctx, tx, db.PruneLock); err != nil || !locked {
			return err
		}
		excess, err := p.excess(ctx, tx, bytes, measured)
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
	switch {
	case err == nil:
		p.doublings = 0
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		p.doublings = min(p.doublings+1, maxChunkDoublings)
	}
	if err != nil {
		return 0, false, fmt.Errorf("prune the log: %w", db.Explain(err))
	}
	return n, locked, nil
}

// measure returns the bytes of the log and the state for which they hold, if there is a limit.
func (p *Pruner) measure(ctx context.Context) (int64, logState, error) {
	if p.opts.MaxBytes <= 0 {
		return 0, logState{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	return p.size.measure(ctx, p.opts.MaxBytes)
}

// excess returns by how many bytes the log is above MaxBytes: 0 if it is not, or if another server has pruned since
// the log was measured.
func (p *Pruner) excess(ctx context.Context, tx pgx.Tx, bytes int64, measured logState) (int64, error) {
	if p.opts.MaxBytes <= 0 || bytes <= p.opts.MaxBytes {
		return 0, nil
	}
	state, err := readLogState(ctx, tx)
	if err != nil || state != measured {
		return 0, err
	}
	return bytes - p.opts.MaxBytes, nil
}

// oldestSQL returns the oldest transactions below the snapshot's xmin. A cursor may hold a running
// transaction as a hole, and the horizon must stay below it.
const oldestSQL = `
select o.xid, max(o.at) < now() - make_interval(secs => $2) as old, count(*) as events, sum(o.bytes)::bigint as bytes
from (
    select e.xid, e.at, ` + eventBytesSQL + ` as bytes
    from pgherald.events as e
    where e.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by e.xid, e.id
    limit $1
) as o
group by o.xid
order by o.xid`

// horizon returns the xid below which one chunk is deleted, 0 if there is nothing to delete. It never
// splits a transaction. A transaction that is not old is deleted only if the log is above MaxBytes with it and all
// newer ones, so what the limit has room for stays.
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
		var events, bytes int64
		if err := rows.Scan(&xid, &old, &events, &bytes); err != nil {
			return 0, err
		}
		seen += events
		mayBePartial := seen == limit && horizon != 0 // leave it to the next chunk
		if mayBePartial || !old && excess <= 0 {
			break
		}
		horizon, excess = xid+1, excess-bytes
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
