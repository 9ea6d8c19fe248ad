package notify_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// shortTerms makes a leader that resigns as soon as possible, so that a test sees many terms.
var shortTerms = notify.LeaderOptions{Window: 4 * time.Millisecond, SessionTimeout: shortSession.SessionTimeout}

// minTerms is small by default; make soak tests more terms.
var minTerms = flag.Uint64("terms", 60, "least number of terms of TestTermsOfTwoServers; TestTermsWithFaults makes half as many")

// TestTermsOfTwoServers lets writers alternate between bursts and pauses, with transactions that stay open
// across terms, savepoints and rollbacks, while two servers lead in turn. Each reader has every event once.
// Whenever all writers pause, everything was announced: no event has waited for a periodic read.
func TestTermsOfTwoServers(t *testing.T) {
	url := newWatchedTable(t)
	var steps stepBroadcast
	leader := notify.LeaderOptions{Window: shortTerms.Window, SessionTimeout: hangLimit} // no leader is to fail here
	replicas := []*replica{
		newReplica(t, url, replicaOptions{leader: leader, steps: &steps}),
		newReplica(t, url, replicaOptions{leader: leader, steps: &steps}),
	}
	conn := pgtest.Connect(t, url)
	writers := newRandomWriters(t, url, &steps)
	rounds := 0
	for ; countTerms(replicas) < *minTerms && !t.Failed(); rounds++ {
		writers.runRound(t)
		for n, r := range replicas {
			r.awaitAnnounced(conn, fmt.Sprintf("after round %d, server %d", rounds, n))
		}
	}
	for n, r := range replicas {
		r.awaitDelivered(conn)
		// Each event was announced, as the strict readers have shown. On a busy machine an announcement may come a second late.
		if stats := r.feed.Stats(); stats.Unannounced > stats.Events/10 {
			t.Errorf("periodic reads of server %d found %d of %d events unannounced", n, stats.Unannounced, stats.Events)
		} else if stats.Unannounced > 0 {
			t.Logf("a periodic read of server %d was earlier than the announcement of %d events", n, stats.Unannounced)
		}
	}
	t.Logf("%d terms, %d rounds, %d events; server 0 had %d terms",
		countTerms(replicas), rounds, len(replicas[0].client.Events()), replicas[0].leader.Status().Terms)
}

func countTerms(replicas []*replica) (n uint64) {
	for _, r := range replicas {
		n += r.leader.Status().Terms
	}
	return n
}

// randomWriters write to public.rows at the same time.
type randomWriters []*randomWriter

func newRandomWriters(t *testing.T, url string, steps *stepBroadcast) (writers randomWriters) {
	t.Helper()
	for n := range 4 {
		rng := rand.New(rand.NewPCG(rand.Uint64(), uint64(n)))
		writers = append(writers, &randomWriter{conn: pgtest.Connect(t, url), rng: rng, steps: steps, firstID: n * 1_000_000})
	}
	return writers
}

// runRound lets each writer take some actions, and returns when all transactions have ended.
func (writers randomWriters) runRound(t *testing.T) {
	t.Helper()
	var running sync.WaitGroup
	for _, w := range writers {
		running.Go(func() {
			for range 1 + w.rng.IntN(3) {
				if err := w.act(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

// randomWriter writes in bursts and in long transactions, and waits for steps of the leaders in between.
type randomWriter struct {
	conn    *pgx.Conn
	rng     *rand.Rand
	steps   *stepBroadcast
	firstID int
	rows    int
}

// act waits for a step, runs a long transaction, or writes a burst, which makes a leader wanted if it is
// large.
func (w *randomWriter) act(ctx context.Context) error {
	switch w.rng.IntN(5) {
	case 0:
		return w.runLongTransaction(ctx, 1+w.rng.IntN(4))
	case 1:
		w.steps.wait(ctx, 50*time.Millisecond)
		return nil
	}
	for range w.rng.IntN(40) {
		if err := w.write(ctx, w.conn); err != nil {
			return err
		}
	}
	w.steps.wait(ctx, 50*time.Millisecond)
	return nil
}

// runLongTransaction writes before, between and after steps, and commits or rolls back.
func (w *randomWriter) runLongTransaction(ctx context.Context, steps int) error {
	tx, err := w.conn.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	for range steps {
		if err := w.write(ctx, tx); err != nil {
			return err
		}
		if w.rng.IntN(3) == 0 {
			if err := w.runSavepoint(ctx, tx); err != nil {
				return err
			}
		}
		w.steps.wait(ctx, 100*time.Millisecond)
	}
	if w.rng.IntN(4) == 0 {
		return tx.Rollback(context.WithoutCancel(ctx))
	}
	return tx.Commit(context.WithoutCancel(ctx))
}

func (w *randomWriter) runSavepoint(ctx context.Context, tx pgx.Tx) error {
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

// write inserts or updates a row. A transaction continues although the test ends.
func (w *randomWriter) write(ctx context.Context, q querier) error {
	ctx = context.WithoutCancel(ctx)
	if w.rng.IntN(2) == 0 {
		_, err := q.Exec(ctx, `update public.rows set n = n + 1 where id = $1`, w.firstID+w.rng.IntN(w.rows+1))
		return err
	}
	w.rows++
	if _, err := q.Exec(ctx, `insert into public.rows (id) values ($1)`, w.firstID+w.rows); err != nil {
		return fmt.Errorf("insert row %d: %w", w.rows, err)
	}
	return nil
}
