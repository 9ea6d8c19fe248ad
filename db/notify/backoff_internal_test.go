package notify

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
)

// refusedListener returns a listener whose server refuses everything.
func refusedListener(t *testing.T, server *pgtest.Refusing) *Listener {
	t.Helper()
	config, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	server.Apply(config)
	return newListener(config, server.Pool(t), ListenerOptions{}.withDefaults())
}

func TestListenerBacksOff(t *testing.T) {
	backofftest.Check(t, 60, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		l := refusedListener(t, &server)
		return backofftest.Outage{Run: l.Run, Attempts: server.Attempts, Close: l.sender.Close}
	})
}

func newRefusedLeader(t *testing.T, server *pgtest.Refusing) *Leader {
	t.Helper()
	l, err := NewLeader(refusedListener(t, server), server.URL(), LeaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server.Apply(l.config)
	return l
}

// The listener still has its connection and receives the notifications of busy writers, each of which asks for a leader.
func TestLeaderBacksOff(t *testing.T) {
	backofftest.Check(t, 34, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		l := newRefusedLeader(t, &server)
		wake := func() { l.listener.onNotification(`{"table": "public.rows"}`) }
		return backofftest.Outage{Run: l.Run, Wake: wake, Attempts: server.Attempts, Close: l.listener.sender.Close}
	})
}

func TestWatchLockBacksOff(t *testing.T) {
	backofftest.Check(t, 34, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		l := newRefusedLeader(t, &server)
		pool := l.listener.sender
		return backofftest.Outage{
			Run: func(ctx context.Context) { l.WatchLock(ctx, pool) }, Attempts: server.Attempts, Close: pool.Close,
		}
	})
}
