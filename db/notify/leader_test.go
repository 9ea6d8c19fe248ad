package notify_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

// endless makes a leader that does not resign before it is stopped.
var endless = notify.LeaderOptions{Window: time.Hour}

// expectFromLeader fails the test unless the payload is a leader's.
func expectFromLeader(t *testing.T, payload string) {
	t.Helper()
	if !strings.HasPrefix(payload, `{"leader": "`) {
		t.Errorf("received %s, want the notification of a leader", payload)
	}
}

// Writers are silent while a server leads, and notify again after it has drained.
func TestLeaderAnnouncesForWriters(t *testing.T) {
	url := newWatchedTable(t)
	r := newReplica(t, url, replicaOptions{holdAt: notify.StepQuiet})
	conn := pgtest.Connect(t, url)
	r.lead(conn, notify.StepQuiet)
	next := listenForWakeUps(t, url)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`)
	r.resume <- struct{}{}
	expectFromLeader(t, next())
	r.awaitStep(notify.StepDrained)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (2)`)
	if payload := next(); !strings.HasPrefix(payload, `{"table" : "public.rows"`) {
		t.Errorf("received %s while no server leads, want the notification of the writer", payload)
	}
	if status := r.leader.Status(); status.Terms != 1 {
		t.Errorf("got status %+v, want one term", status)
	}
}

// A transaction that was silent and commits after the leader has released the lock is announced by the
// drain, which waits for it.
func TestDrainAnnouncesTransactionsThatWereOpen(t *testing.T) {
	url := newWatchedTable(t)
	r := newReplica(t, url, replicaOptions{holdAt: notify.StepQuiet})
	conn := pgtest.Connect(t, url)
	r.lead(conn, notify.StepQuiet)
	tx := pgtest.Begin(t, url)
	if _, err := tx.Exec(t.Context(), `insert into public.rows (id) values (1)`); err != nil {
		t.Fatal(err)
	}
	r.resume <- struct{}{}
	r.awaitStep(notify.StepDraining)
	next := listenForWakeUps(t, url)
	pgtest.Commit(t, tx)
	expectFromLeader(t, next())
	r.awaitStep(notify.StepDrained)
}

// A leader that is stopped while a silent transaction is open requests a successor, which announces it.
func TestStoppedLeaderRequestsASuccessor(t *testing.T) {
	url := newWatchedTable(t)
	first := newReplica(t, url, replicaOptions{withoutLeader: true, leader: endless})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { first.leader.Run(ctx) })
	conn := pgtest.Connect(t, url)
	first.lead(conn, notify.StepLeading)
	second := newReplica(t, url, replicaOptions{})
	tx := pgtest.Begin(t, url)
	if _, err := tx.Exec(t.Context(), `insert into public.rows (id) values (1)`); err != nil {
		t.Fatal(err)
	}
	stop()
	running.Wait()
	second.awaitStep(notify.StepLeading)
	next := listenForWakeUps(t, url)
	pgtest.Commit(t, tx)
	expectFromLeader(t, next())
	second.awaitStep(notify.StepDrained)
}

// A leader whose session is terminated opens another one and begins a new term.
func TestLeaderReplacesALostSession(t *testing.T) {
	url := newWatchedTable(t)
	r := newReplica(t, url, replicaOptions{leader: endless})
	conn := pgtest.Connect(t, url)
	r.lead(conn, notify.StepLeading)
	for range 3 {
		pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity
			where application_name = 'pgherald leader' and datname = current_database()`)
		r.awaitStep(notify.StepLeading)
	}
	if got, want := r.leader.Status(), (status.Leader{State: status.Leading, Terms: 4, Failures: 3}); got != want {
		t.Errorf("got status %+v, want %+v", got, want)
	}
}

// A write that is cancelled between the two statements on the lock must not keep its session's share of
// the lock: no server could lead while the session lasts.
func TestCancelledWriteReleasesTheLock(t *testing.T) {
	url := newWatchedTable(t)
	conn := pgtest.Connect(t, url)
	canceller := pgtest.Connect(t, url)
	quit := make(chan struct{})
	var cancelling sync.WaitGroup
	cancelling.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				_, _ = canceller.Exec(context.Background(), `select pg_cancel_backend($1)`, conn.PgConn().PID())
			}
		}
	})
	cancelled := 0
	for i := 0; cancelled < 300 && t.Context().Err() == nil; i++ {
		if _, err := conn.Exec(t.Context(), `insert into public.rows (id) values ($1)`, i); err != nil {
			cancelled++
		}
	}
	close(quit)
	cancelling.Wait()
	var held int
	err := canceller.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and pid = $1`, conn.PgConn().PID()).Scan(&held)
	if err != nil || held > 0 {
		t.Errorf("%d locks are held after %d cancelled statements, want 0: %v", held, cancelled, err)
	}
}
