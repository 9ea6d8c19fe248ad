package notify_test

import (
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// While most polls find events, the leader wakes its own reader before each poll, and the wake-up for a find
// is that of the next poll. Here the last commit falls between the last such wake-up and its poll. No poll
// follows, so the leader must wake its reader once more.
func TestLeaderAnnouncesTheLastFindOfAWindow(t *testing.T) {
	const window = time.Second // much longer than two polls take
	url := newWatchedTable(t)
	conn, writer, blocker := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	own, other := newObserver(t, url), newObserver(t, url)
	steps, blocking := make(chan notify.LeaderStep, 100), make(chan struct{})
	outlastWindow := func() {
		timer := time.NewTimer(window)
		defer timer.Stop()
		<-timer.C
	}
	polls := 0
	leader, err := notify.NewLeader(own.listener, url, notify.LeaderOptions{
		Window: window,
		OnStep: func(step notify.LeaderStep) { steps <- step },
		OnPoll: func() {
			switch polls++; polls {
			case 1: // the only poll of the first window finds an event: in the next one the leader wakes ahead
				pgtest.Exec(t, writer, `insert into public.rows (id) values (1)`)
				outlastWindow()
			case 3: // the second and last poll of the next window is blocked
				pgtest.Exec(t, blocker, `begin`)
				pgtest.Exec(t, blocker, `lock table pgherald.events in access exclusive mode`)
				outlastWindow()
				close(blocking)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, leader.Run)
	requestLeader(t, conn)
	<-blocking
	awaitBlockedLeader(t, url)
	own.flush(conn)
	other.flush(conn)
	pgtest.Exec(t, blocker, `insert into public.rows (id) values (2)`)
	pgtest.Exec(t, blocker, `commit`)
	for step := range steps {
		if step == notify.StepDrained {
			break
		}
	}
	if !own.isWoken() || !other.isWoken() {
		t.Error("the last commit was not announced")
	}
}

// awaitBlockedLeader waits until the leader's poll waits for a lock.
func awaitBlockedLeader(t *testing.T, url string) {
	t.Helper()
	pgtest.AwaitLockWait(t, pgtest.Connect(t, url), pgtest.LockWait{Name: "pgherald leader"})
}
