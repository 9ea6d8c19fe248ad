package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
)

// monitorInterval is the time between two looks of a server.
const monitorInterval = 10 * time.Second

// maxText bounds the texts of a row: other roles may write to the table.
const maxText = 400

// Monitor looks at all consumers at intervals, so that neither a scrape nor a page of an operator waits for the database.
type Monitor struct {
	pool   *db.Pool
	logger *slog.Logger

	mu   sync.Mutex
	last status.Consumers
}

// NewMonitor returns a monitor of the pool's database. Run it.
func NewMonitor(pool *db.Pool, logger *slog.Logger) *Monitor {
	return &Monitor{pool: pool, logger: logger, last: status.Consumers{List: []status.Consumer{}, Error: "not read yet"}}
}

// Status returns what the last look found. The caller must not change it.
func (m *Monitor) Status() status.Consumers {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Run looks at intervals until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	interval := time.NewTicker(monitorInterval)
	defer interval.Stop()
	for {
		found, err := Look(ctx, m.pool)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.logger.Debug("consumers not read", "error", err)
			found = status.Consumers{Checked: time.Now().UTC(), List: []status.Consumer{}, Error: err.Error()}
		}
		m.mu.Lock()
		m.last = found
		m.mu.Unlock()
		select {
		case <-interval.C:
		case <-ctx.Done():
			return
		}
	}
}

// lookSQL counts up to bounds, along indexes, which the orders make the planner use: 100 consumers that are far behind take 0.1 s with a million
// events.
const lookSQL = `
select
    c.name,
    coalesce(left(c.forwards_to, $4), ''),
    c.forwards_to is not null as is_forwarded,
    coalesce(c.runs_until > clock_timestamp(), false) as is_running,
    c.consumed_at,
    c.failing_since,
    coalesce(left(c.failure, $4), ''),
    greatest(extract(epoch from clock_timestamp() - least(after.at, between.at)), 0)::float8 as age,
    (
        select count(*)
        from (
            (select from pgherald.events as e where e.xid >= c.next order by e.xid, e.id limit $2)
            union all
            (select from pgherald.events as e where e.xid = any(c.holes[1:100]) order by e.xid, e.id limit $2)
        ) as e
    ) as behind,
    (
        select count(*)
        from (select from pgherald.parked as p where p.consumer = c.name order by p.consumer, p.lane, p.id limit $3) as p
    ) as parked,
    c.log not like '%/' || l.id::text
    or (least(c.next, c.holes[1]) < l.pruned_below and l.pruned_below <= pg_snapshot_xmax(pg_current_snapshot())) as is_lost
from (select o.* from pgherald.consumers as o order by o.name limit $1 + 1) as c
cross join pgherald.log as l
left join lateral (
    select e.at from pgherald.events as e where e.xid >= c.next order by e.xid, e.id limit 1
) as after on true
left join lateral (
    select min(e.at) as at
    from (select h.at from pgherald.events as h where h.xid = any(c.holes[1:100]) order by h.xid, h.id limit $2) as e
) as between on true
order by c.name`

// Look returns the consumers of the pool's database.
func Look(ctx context.Context, pool *db.Pool) (status.Consumers, error) {
	var found []status.Consumer
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// To compile it takes longer than to run it.
		if _, err := tx.Exec(ctx, `select set_config('jit', 'off', true)`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, lookSQL, status.MaxConsumers, status.MaxBehind, status.MaxParked, maxText)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanConsumer)
		return err
	})
	if err != nil {
		return status.Consumers{}, fmt.Errorf("look at the consumers: %w", db.Explain(err))
	}
	all := status.Consumers{Checked: time.Now().UTC(), List: found, More: len(found) > status.MaxConsumers}
	if all.More {
		all.List = found[:status.MaxConsumers]
	}
	return all, nil
}

func scanConsumer(row pgx.CollectableRow) (c status.Consumer, err error) {
	var isForwarded, isRunning bool
	var moved, failing *time.Time
	var age *float64
	err = row.Scan(&c.Name, &c.Target, &isForwarded, &isRunning, &moved, &failing, &c.Failure, &age, &c.Behind, &c.Parked, &c.Lost)
	c.Name, c.Target, c.Failure = utf8(c.Name), utf8(c.Target), utf8(c.Failure)
	c.Behind = min(c.Behind, status.MaxBehind)
	switch {
	case !isForwarded:
		c.State = status.ConsumerJob
	case isRunning:
		c.State = status.ConsumerRunning
	default:
		c.State = status.ConsumerStopped
	}
	if moved != nil {
		c.Moved = moved.UTC()
	}
	if failing != nil {
		c.FailingSince = failing.UTC()
	}
	if age != nil {
		c.LagMS = int64(1000 * *age)
	}
	return c, err
}

// utf8 makes a text fit for labels and JSON: a database of the encoding SQL_ASCII stores any bytes.
func utf8(text string) string { return strings.ToValidUTF8(text, "?") }
