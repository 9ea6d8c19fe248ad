package notify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// restless is a waker that rests as soon as it can.
var restless = notify.LeaderOptions{Window: 4 * time.Millisecond, SessionTimeout: impatient.SessionTimeout}

// TestHandovers lets writers be busy, quiet and busy again, with transactions that stay open across
// the hand-overs, savepoints and rollbacks. Two servers take turns in being the waker. Each must have
// every event once, and nothing may have waited for a fallback read: whenever all writers pause,
// everything must have been announced.
func TestHandovers(t *testing.T) {
	handovers := uint64(300)
	if testing.Short() {
		handovers = 60
	}
	url := watched(t)
	var moments pulse
	sites := []*site{
		newSite(t, url, siteOptions{waker: restless, pulse: &moments}),
		newSite(t, url, siteOptions{waker: restless, pulse: &moments}),
	}
	conn := pgtest.Connect(t, url)
	writers := newHandoverWriters(t, url, &moments)
	pauses := 0
	for ; reigns(sites) < handovers && !t.Failed(); pauses++ {
		writers.round(t)
		for n, s := range sites {
			s.heard(conn, fmt.Sprintf("pause %d, server %d", pauses, n))
		}
	}
	for n, s := range sites {
		s.gets(conn)
		if stats := s.feed.Stats(); stats.Unannounced > 0 {
			t.Errorf("server %d found %d events that nobody had announced", n, stats.Unannounced)
		}
	}
	t.Logf("%d hand-overs, %d pauses, %d events; server 0 was up %d times",
		reigns(sites), pauses, len(sites[0].client.Events()), sites[0].waker.Status().Terms)
}

// reigns is how often a waker was up.
func reigns(sites []*site) (n uint64) {
	for _, s := range sites {
		n += s.waker.Status().Terms
	}
	return n
}

type handoverWriters []*handoverWriter

func newHandoverWriters(t *testing.T, url string, moments *pulse) (all handoverWriters) {
	t.Helper()
	for n := range 4 {
		rng := rand.New(rand.NewPCG(rand.Uint64(), uint64(n)))
		all = append(all, &handoverWriter{conn: pgtest.Connect(t, url), rng: rng, pulse: moments, first: n * 1_000_000})
	}
	return all
}

// round has each writer do some things, and returns when none has anything left to do.
func (all handoverWriters) round(t *testing.T) {
	t.Helper()
	var writing sync.WaitGroup
	for _, w := range all {
		writing.Go(func() {
			for range 1 + w.rng.IntN(3) {
				if err := w.episode(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
}

// handoverWriter writes in bursts, and waits in between until a waker takes its next step.
type handoverWriter struct {
	conn  *pgx.Conn
	rng   *rand.Rand
	pulse *pulse
	first int // of its ids
	rows  int
}

// episode is one thing that a writer does.
func (w *handoverWriter) episode(ctx context.Context) error {
	switch w.rng.IntN(5) {
	case 0: // a transaction that stays open for some steps of a hand-over
		return w.long(ctx, 1+w.rng.IntN(4))
	case 1:
		w.pulse.wait(ctx, 50*time.Millisecond)
		return nil
	}
	for range w.rng.IntN(40) { // enough of these wake a waker
		if err := w.write(ctx, w.conn); err != nil {
			return err
		}
	}
	w.pulse.wait(ctx, 50*time.Millisecond)
	return nil
}

// long writes before, between and after steps, and commits or not.
func (w *handoverWriter) long(ctx context.Context, steps int) error {
	tx, err := w.conn.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	for range steps {
		if err := w.write(ctx, tx); err != nil {
			return err
		}
		if w.rng.IntN(3) == 0 {
			if err := w.savepoint(ctx, tx); err != nil {
				return err
			}
		}
		w.pulse.wait(ctx, 100*time.Millisecond)
	}
	if w.rng.IntN(4) == 0 {
		return tx.Rollback(context.WithoutCancel(ctx))
	}
	return tx.Commit(context.WithoutCancel(ctx))
}

func (w *handoverWriter) savepoint(ctx context.Context, tx pgx.Tx) error {
	inner, err := tx.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if err := w.write(ctx, inner); err != nil {
		return err
	}
	if w.rng.IntN(2) == 0 {
		return inner.Rollback(context.WithoutCancel(ctx))
	}
	return inner.Commit(context.WithoutCancel(ctx))
}

// write is one insert or update. What was begun is finished, also when the test ends.
func (w *handoverWriter) write(ctx context.Context, q querier) error {
	ctx = context.WithoutCancel(ctx)
	if w.rng.IntN(2) == 0 {
		_, err := q.Exec(ctx, `update public.rows set n = n + 1 where id = $1`, w.first+w.rng.IntN(w.rows+1))
		return err
	}
	w.rows++
	if _, err := q.Exec(ctx, `insert into public.rows (id) values ($1)`, w.first+w.rows); err != nil {
		return fmt.Errorf("insert row %d: %w", w.rows, err)
	}
	return nil
}

type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// pulse tells many that something has happened.
type pulse struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (p *pulse) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed != nil {
		close(p.changed)
	}
	p.changed = make(chan struct{})
}

// wait waits for the next beat. There may be none if everybody waits: so not for ever.
func (p *pulse) wait(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-p.next():
	case <-timer.C:
	case <-ctx.Done():
	}
}
