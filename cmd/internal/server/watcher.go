package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
	"github.com/pgherald/pgherald/triggers"
)

const (
	// checkTimeout bounds one check of the triggers.
	checkTimeout = 30 * time.Second

	// minCheckInterval is the shortest time between two checks, however often wake is called.
	minCheckInterval = 5 * time.Second

	// reminderInterval is the time after which the log output repeats drift that lasts.
	reminderInterval = time.Hour

	// maxListedDrift bounds the drift in the log output and in /api/stats: a thousand tables may drift at once.
	maxListedDrift = 100
)

// watcher compares the triggers with the spec while the server serves, and reports the difference.
type watcher struct {
	pool      *pgxpool.Pool
	inspector *triggers.Inspector
	interval  time.Duration
	logger    *slog.Logger
	woken     chan struct{} // holds one element if a check is due soon

	mu      sync.Mutex
	status  status.Triggers
	failing bool                    // whether the last check failed
	since   map[triggers.Drift]seen // of the drift that the last check found
}

// seen says when a drift was first found, and last logged.
type seen struct{ first, logged time.Time }

func newWatcher(pool *pgxpool.Pool, spec triggers.Spec, interval time.Duration, logger *slog.Logger) *watcher {
	return &watcher{
		pool: pool, inspector: triggers.NewInspector(spec), interval: interval, logger: logger, woken: make(chan struct{}, 1),
		status: status.Triggers{Drift: []status.TriggerDrift{}, Kinds: countKinds(nil)},
	}
}

// wake asks for a check soon. It does not block.
func (w *watcher) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// Status returns what the last check found.
func (w *watcher) Status() status.Triggers {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run checks at intervals, and soon after wake, until ctx ends.
func (w *watcher) Run(ctx context.Context) {
	interval := time.NewTicker(w.interval)
	defer interval.Stop()
	var forgot time.Time
	for {
		w.check(ctx)
		if !w.rest(ctx) {
			return
		}
		select {
		case <-interval.C:
		case <-w.woken:
			if time.Since(forgot) >= w.interval { // a trigger may fail for every row
				w.inspector.Forget() // what it could not do may depend on more than its table
				forgot = time.Now()
			}
		case <-ctx.Done():
			return
		}
	}
}

// rest waits between two checks. It reports false if ctx has ended.
func (w *watcher) rest(ctx context.Context) bool {
	rest := time.NewTimer(min(minCheckInterval, w.interval))
	defer rest.Stop()
	select {
	case <-rest.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *watcher) check(ctx context.Context) {
	found, err := w.inspect(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.failed(err)
		return
	}
	for _, table := range found.Reset {
		w.logger.Warn("reset of a table sent to clients", "table", table.String())
	}
	w.report(found.Drift, time.Now())
}

// failed counts a check that failed. It logs the first one of a series at level warn: during an outage of the
// database, others report that already.
func (w *watcher) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	level := slog.LevelDebug
	if !w.failing {
		level = slog.LevelWarn
	}
	w.logger.Log(context.Background(), level, "trigger check failed", "error", err)
	w.failing = true
	w.status.Failures++
}

func (w *watcher) inspect(ctx context.Context) (found triggers.Inspection, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return found, fmt.Errorf("connect to check the triggers: %w", err)
	}
	defer conn.Release()
	found, err = w.inspector.Inspect(ctx, conn.Conn())
	return found, db.Explain(err)
}

// report logs what has changed since the last check, and stores the status.
func (w *watcher) report(found []triggers.Drift, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := make(map[triggers.Drift]seen, len(found))
	w.status.Drift = []status.TriggerDrift{}
	for i, d := range found {
		s, known := w.since[d]
		if !known {
			s.first = now
		}
		if i < maxListedDrift {
			if now.Sub(s.logged) >= reminderInterval {
				w.log(d)
				s.logged = now
			}
			w.status.Drift = append(w.status.Drift, status.TriggerDrift{
				Table: tableOf(d), Kind: string(d.Kind), Problem: d.Message, Remedy: d.Remedy,
				Warning: d.Kind.IsWarning(), Since: s.first,
			})
		}
		since[d] = s
	}
	for d := range w.since {
		if _, remains := since[d]; !remains {
			w.logger.Info("trigger drift ended", "table", tableOf(d), "kind", string(d.Kind), "problem", d.Message)
		}
	}
	w.since, w.failing = since, false
	w.status.Checked, w.status.Kinds = now, countKinds(found)
}

func (w *watcher) log(d triggers.Drift) {
	attrs := []any{"table", tableOf(d), "kind", string(d.Kind), "problem", d.Message, "remedy", d.Remedy}
	if d.Kind.IsWarning() {
		w.logger.Warn("watched table needs attention", attrs...)
		return
	}
	w.logger.Error("triggers differ from the spec", attrs...)
}

func tableOf(d triggers.Drift) string {
	if d.Table == (triggers.Name{}) {
		return ""
	}
	return d.Table.String()
}

// countKinds counts drift by kind, also the kinds without any.
func countKinds(found []triggers.Drift) map[string]int {
	counts := make(map[string]int)
	for _, kind := range triggers.Kinds() {
		counts[string(kind)] = 0
	}
	for _, d := range found {
		counts[string(d.Kind)]++
	}
	return counts
}
