package notify_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// While most polls find something, the waker wakes its own server before each poll and not for what it
// finds: the wake-up of the next poll is meant to do for that. Here writers fall silent with a commit
// that comes after the wake-up of the last such poll and before the poll itself. The waker must not
// take it for announced.
func TestWakerAnnouncesTheLastFindOfBusyPolls(t *testing.T) {
	const window = time.Second // far more than two polls take
	url := watched(t)
	conn, writer, holder := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	own, other := newEar(t, url), newEar(t, url)
	steps, blocking := make(chan notify.LeaderStep, 100), make(chan struct{})
	pass := func() {
		timer := time.NewTimer(window)
		defer timer.Stop()
		<-timer.C
	}
	polls := 0
	waker, err := notify.NewLeader(own.listener, url, notify.LeaderOptions{
		Window: window,
		OnStep: func(step notify.LeaderStep) { steps <- step },
		OnPoll: func() {
			switch polls++; polls {
			case 1: // the only poll of its window finds something: most do
				pgtest.Exec(t, writer, `insert into public.rows (id) values (1)`)
				pass()
			case 3: // the second and last one of the next window is held up
				pgtest.Exec(t, holder, `begin`)
				pgtest.Exec(t, holder, `lock table pgherald.events in access exclusive mode`)
				pass()
				close(blocking)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, waker.Run)
	ring(t, conn)
	<-blocking
	awaitBlockedWaker(t, url)
	own.settle(conn)
	other.settle(conn)
	pgtest.Exec(t, holder, `insert into public.rows (id) values (2)`)
	pgtest.Exec(t, holder, `commit`)
	for step := range steps {
		if step == notify.StepDrained {
			break
		}
	}
	if !own.hears() || !other.hears() {
		t.Error("what was committed last was not announced")
	}
}

// awaitBlockedWaker waits until a poll waits for a lock.
func awaitBlockedWaker(t *testing.T, url string) {
	t.Helper()
	const sql = `
select exists (
    select from pg_locks as l inner join pg_stat_activity as a on a.pid = l.pid
    where a.application_name = 'pgherald leader' and a.datname = current_database() and not l.granted
)`
	conn := pgtest.Connect(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for blocked := false; !blocked; {
		if err := conn.QueryRow(ctx, sql).Scan(&blocked); err != nil {
			t.Fatalf("wait for the waker's poll to be held up: %v", err)
		}
	}
}
