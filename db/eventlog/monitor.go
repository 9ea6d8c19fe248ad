package eventlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
)

// MonitorOptions are a monitor's times. Zero values mean the defaults.
type MonitorOptions struct {
	// Interval is the time between two looks; 10 s if 0.
	Interval time.Duration
	// Timeout is how long a look may take; 5 s if 0.
	Timeout time.Duration
	// Logger is told when the database does not answer.
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

// Monitor asks the database now and then for figures that nobody else knows, so that whoever wants
// them need not wait for it.
type Monitor struct {
	pool *pgxpool.Pool
	opts MonitorOptions

	mu     sync.Mutex
	status MonitorStatus
	known  bool
}

// MonitorStatus is what the database said.
type MonitorStatus struct {
	// QueueUsage is how full the cluster's notification queue is, from 0 to 1. At 1 every COMMIT
	// with a NOTIFY fails.
	QueueUsage float64
	// OldestAge is the age of the oldest event in the log; 0 if there is none.
	OldestAge time.Duration
	// LogBytes is the size of the log on disk, with its indexes.
	LogBytes int64
}

// NewMonitor returns a monitor of the pool's database.
func NewMonitor(pool *pgxpool.Pool, opts MonitorOptions) *Monitor {
	return &Monitor{pool: pool, opts: opts.withDefaults()}
}

// Status is what the database said last; false if it did not answer the last time, or was not asked
// yet.
func (m *Monitor) Status() (MonitorStatus, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, m.known
}

// Run asks until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	interval := time.NewTicker(m.opts.Interval)
	defer interval.Stop()
	for {
		status, err := m.query(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.opts.Logger.Debug("database did not tell its figures", "error", err)
		}
		m.mu.Lock()
		m.status, m.known = status, err == nil
		m.mu.Unlock()
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

func (m *Monitor) query(ctx context.Context) (s MonitorStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	var age float64
	err = m.pool.QueryRow(ctx, monitorSQL).Scan(&s.QueueUsage, &age, &s.LogBytes)
	s.OldestAge = time.Duration(age * float64(time.Second))
	return s, db.Explain(err)
}
