package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream/status"
	"github.com/pgherald/pgherald/triggers"
)

const (
	// checkTimeout bounds one check of the triggers.
	checkTimeout = 30 * time.Second

	// minCheckInterval is the shortest time between two checks that wake causes, however often it is called.
	minCheckInterval = 5 * time.Second

	// reminderInterval is the time after which the log output repeats drift that lasts.
	reminderInterval = time.Hour

	// maxListedDrift bounds the drift in the log output and in /api/stats: a thousand tables may drift at once.
	maxListedDrift = 100
)

// watcher compares the triggers with the spec while the server serves, and reports the difference.
type watcher struct {
	pool      *pgxpool.Pool
	spec      triggers.Spec
	inspector *triggers.Inspector
	interval  time.Duration
	logger    *slog.Logger
	woken     chan struct{} // holds one element if a check is due soon
	requested chan struct{} // the same, if somewhat sooner
	forgot    time.Time     // when a wake last made the inspector forget

	// reload reads the spec again, and follow makes the server show what an apply has changed; it reports whether the spec is
	// the one that was applied last. mayGrow says that the watcher itself may let events show new columns. They are set before
	// Run.
	reload    func() (triggers.Spec, []migrations.Set, error)
	follow    func(context.Context, *pgx.Conn, triggers.Spec) (isCurrent bool, err error)
	mayGrow   bool
	behind    bool        // whether follow is due
	isCurrent bool        // what follow returned last
	followed  string      // the state of the triggers that follow has seen
	isApplied atomic.Bool // whether an apply was notified since the last check began

	isGrowthLeft bool      // whether the last growth left something out
	grewAt       time.Time // when it ended

	mu           sync.Mutex
	brokenTables []string             // see broken
	mended       map[string]time.Time // when these were last taken to be mended
	look         look
	status       status.Triggers
	failing      bool                    // whether the last check failed
	since        map[triggers.Drift]seen // of the drift that the last check found
}

// seen says when a drift was first found, and last logged.
type seen struct{ first, logged time.Time }

func newWatcher(pool *pgxpool.Pool, spec triggers.Spec, interval time.Duration, logger *slog.Logger) *watcher {
	return &watcher{
		pool: pool, spec: spec, inspector: triggers.NewInspector(spec), interval: interval, logger: logger,
		woken: make(chan struct{}, 1), requested: make(chan struct{}, 1), look: look{next: make(chan struct{})},
		mended: make(map[string]time.Time),
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
	for {
		w.check(ctx)
		if !w.pause(ctx, interval.C) {
			return
		}
	}
}

func (w *watcher) check(ctx context.Context) {
	began := time.Now()
	found, err := w.inspect(ctx)
	w.endLook(began, w.isCurrent, err == nil && !w.behind)
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
	found, err = w.inspectWith(ctx, conn.Conn())
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
	if d.Kind.IsGrowth() {
		w.logger.Warn("tables have grown since the last apply", attrs...)
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
