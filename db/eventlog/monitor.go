package eventlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
)

// MonitorOptions configures a Monitor. Zero values mean the defaults.
type MonitorOptions struct {
	// Interval is the time between two queries; 10 s if 0.
	Interval time.Duration
	// Timeout bounds a query; 5 s if 0.
	Timeout time.Duration
	// Logger receives failed queries, at level debug.
	Logger *slog.Logger
}

func (o MonitorOptions) withDefaults() MonitorOptions {
	if o.Interval <= 0 {
		o.Interval = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Monitor queries the figures in status.Log at intervals, so that a scrape of the metrics does not wait
// for the database. It also marks the log: see pgherald.marks.
type Monitor struct {
	pool *pgxpool.Pool
	opts MonitorOptions

	mu     sync.Mutex
	status status.Log
	known  bool
}

// NewMonitor returns a monitor of the pool's database. Run it.
func NewMonitor(pool *pgxpool.Pool, opts MonitorOptions) *Monitor {
	return &Monitor{pool: pool, opts: opts.withDefaults()}
}

// Status returns the figures of the last query. It returns false if that query failed, or if there was
// none yet.
func (m *Monitor) Status() (status.Log, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, m.known
}

// Run queries at intervals until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	interval := time.NewTicker(m.opts.Interval)
	defer interval.Stop()
	for {
		status, err := m.query(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.opts.Logger.Debug("monitor query failed", "error", err)
		}
		m.mu.Lock()
		m.status, m.known = status, err == nil
		m.mu.Unlock()
		if err == nil { // during an outage, one attempt is enough
			m.mark(ctx)
		}
		select {
		case <-interval.C:
		case <-ctx.Done():
			return
		}
	}
}

const monitorSQL = `
select
    pg_notification_queue_usage() as queue_usage,
    coalesce((
        select extract(epoch from clock_timestamp() - e.at)
        from pgherald.events as e
        order by e.xid, e.id
        limit 1
    ), 0)::float8 as oldest_age,
    pg_total_relation_size('pgherald.events') as log_bytes`

func (m *Monitor) query(ctx context.Context) (s status.Log, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	var age float64
	err = m.pool.QueryRow(ctx, monitorSQL).Scan(&s.QueueUsage, &age, &s.Bytes)
	s.OldestAge = time.Duration(age * float64(time.Second))
	return s, db.Explain(err)
}

// mark writes a mark if one is due, so that long backlogs are planned in windows.
func (m *Monitor) mark(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	if _, err := m.pool.Exec(ctx, `select pgherald.mark()`); err != nil {
		m.opts.Logger.Debug("log not marked", "error", db.Explain(err))
	}
}
