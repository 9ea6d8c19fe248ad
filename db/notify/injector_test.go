package notify_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestTermsWithFaults is TestTermsOfTwoServers while leaders fail at random steps: sessions are terminated,
// and a process is killed, or stopped until it has lost the lock. Each event is delivered once all the same.
// After the last leader has ended, writers notify again.
func TestTermsWithFaults(t *testing.T) {
	minTerms, minFaults := *minTerms/2, int(*minTerms/5)
	url := newWatchedTable(t)
	var steps stepBroadcast
	stop := make([]context.CancelFunc, 2)
	var leaders sync.WaitGroup
	replicas := make([]*replica, len(stop))
	for n := range replicas {
		r := newReplica(t, url, replicaOptions{leader: shortTerms, steps: &steps, withoutLeader: true})
		var ctx context.Context
		ctx, stop[n] = context.WithCancel(context.Background())
		leaders.Go(func() { r.leader.Run(ctx) })
		replicas[n] = r
	}
	defer func() { stop[0](); stop[1](); leaders.Wait() }()
	f := &faultInjector{faultScenario: faultScenario{url: url, conn: pgtest.Connect(t, url)}, steps: &steps}
	f.process = startLeader(t, &f.faultScenario)
	writers := newRandomWriters(t, url, &steps)
	rounds := 0
	for ; (countTerms(replicas) < minTerms || f.count() < minFaults) && !t.Failed(); rounds++ {
		var injecting sync.WaitGroup
		injecting.Go(func() { f.inject(t) })
		writers.runRound(t)
		injecting.Wait()
		for _, r := range replicas {
			r.awaitDelivered(f.conn)
		}
	}
	f.process.signal(t, syscall.SIGKILL)
	stop[0]()
	stop[1]()
	leaders.Wait()
	f.awaitUnlocked(t)
	pgtest.Exec(t, f.conn, `insert into public.rows (id) values (0)`)
	for _, r := range replicas {
		r.awaitAnnounced(f.conn, "after the last leader has ended")
		t.Logf("%d events were counted as unannounced", r.feed.Stats().Unannounced)
	}
	t.Logf("%d terms, %d events in %d rounds; %d sessions terminated, %d processes killed, %d stopped",
		countTerms(replicas), len(replicas[0].client.Events()), rounds, f.terminated, f.killed, f.stopped)
}

// faultInjector makes leaders fail.
type faultInjector struct {
	faultScenario
	process *leaderProcess
	steps   *stepBroadcast

	terminated, killed, stopped int
}

func (f *faultInjector) count() int { return f.terminated + f.killed + f.stopped }

// inject causes one fault, after some steps of the other leaders.
func (f *faultInjector) inject(t *testing.T) {
	for range rand.IntN(4) {
		f.steps.wait(t.Context(), 100*time.Millisecond)
	}
	switch n := rand.IntN(20); {
	case n == 0:
		f.process.signal(t, syscall.SIGSTOP)
		f.awaitUnlocked(t) // if the process held the lock, its session has ended
		f.process.signal(t, syscall.SIGCONT)
		f.stopped++
	case n < 6:
		f.process.signal(t, syscall.SIGKILL)
		f.process = startLeader(t, &f.faultScenario)
		f.killed++
	default:
		f.terminated += f.terminateSession(t)
	}
}

// terminateSession terminates the session that holds the lock, or else that of another leader. It returns
// the number of terminated sessions.
func (f *faultInjector) terminateSession(t *testing.T) (n int) {
	t.Helper()
	const sql = `
select count(pg_terminate_backend(a.pid))
from (
    select pid from pg_stat_activity
    where application_name = 'pgherald leader' and datname = current_database()
    order by pid in (select l.pid from pg_locks as l where l.locktype = 'advisory' and l.mode = 'ExclusiveLock') desc, random()
    limit 1
) as a`
	err := f.conn.QueryRow(t.Context(), sql).Scan(&n)
	if err != nil {
		t.Errorf("terminate a leader's session: %v", err)
	}
	return n
}
