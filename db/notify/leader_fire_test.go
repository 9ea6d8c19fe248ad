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

// TestHandoversUnderFire is TestHandovers while somebody strikes the wakers, at whatever step they are:
// sessions are terminated, a process is killed, or stopped until it has lost the lock. Every event comes
// once all the same; and when the last waker is dead, writers ring for themselves again.
func TestHandoversUnderFire(t *testing.T) {
	handovers, strikes := uint64(150), 60
	if testing.Short() {
		handovers, strikes = 30, 12
	}
	url := watched(t)
	var moments pulse
	stop := make([]context.CancelFunc, 2)
	var wakers sync.WaitGroup
	sites := make([]*site, len(stop))
	for n := range sites {
		s := newSite(t, url, siteOptions{waker: restless, pulse: &moments, noWaker: true})
		var ctx context.Context
		ctx, stop[n] = context.WithCancel(context.Background())
		wakers.Go(func() { s.waker.Run(ctx) })
		sites[n] = s
	}
	defer func() { stop[0](); stop[1](); wakers.Wait() }()
	f := &fire{strickenWaker: strickenWaker{url: url, conn: pgtest.Connect(t, url)}, pulse: &moments}
	f.process = startWaker(t, &f.strickenWaker)
	writers := newHandoverWriters(t, url, &moments)
	rounds := 0
	for ; (reigns(sites) < handovers || f.struck() < strikes) && !t.Failed(); rounds++ {
		var striking sync.WaitGroup
		striking.Go(func() { f.strike(t) })
		writers.round(t)
		striking.Wait()
		for _, s := range sites {
			s.gets(f.conn)
		}
	}
	f.process.signal(t, syscall.SIGKILL)
	stop[0]()
	stop[1]()
	wakers.Wait()
	f.awaitUnlocked(t)
	pgtest.Exec(t, f.conn, `insert into public.rows (id) values (0)`)
	for _, s := range sites {
		s.heard(f.conn, "after the last waker")
		t.Logf("%d events were counted as unannounced", s.feed.Stats().Unannounced)
	}
	t.Logf("%d hand-overs, %d events in %d rounds; %d sessions ended, %d processes killed, %d stopped",
		reigns(sites), len(sites[0].client.Events()), rounds, f.ended, f.killed, f.stopped)
}

// fire is who strikes wakers.
type fire struct {
	strickenWaker
	process *wakerProcess // a waker that has no other duty
	pulse   *pulse

	ended, killed, stopped int
}

func (f *fire) struck() int { return f.ended + f.killed + f.stopped }

// strike does one thing to a waker, some steps of the others from now.
func (f *fire) strike(t *testing.T) {
	for range rand.IntN(4) {
		f.pulse.wait(t.Context(), 100*time.Millisecond)
	}
	switch n := rand.IntN(20); {
	case n == 0:
		f.process.signal(t, syscall.SIGSTOP)
		f.awaitUnlocked(t) // if it had the lock, the server has ended its session
		f.process.signal(t, syscall.SIGCONT)
		f.stopped++
	case n < 6:
		f.process.signal(t, syscall.SIGKILL)
		f.process = startWaker(t, &f.strickenWaker)
		f.killed++
	default:
		f.ended += f.end(t)
	}
}

// end terminates the session that has the lock, or that of another waker. It returns how many.
func (f *fire) end(t *testing.T) (n int) {
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
		t.Errorf("end a waker's session: %v", err)
	}
	return n
}
