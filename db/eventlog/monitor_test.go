package eventlog_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

// TestMonitor checks the figures, and that they become unknown when the database is unreachable.
func TestMonitor(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	if _, err := pool.Exec(t.Context(), `insert into pgherald.events (type, at, data) values ('a', now() - interval '1 hour', '{}')`); err != nil {
		t.Fatal(err)
	}
	m := eventlog.NewMonitor(pool, eventlog.MonitorOptions{Interval: time.Millisecond})
	if _, known := m.Status(); known {
		t.Error("figures are known before the first query")
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	defer func() {
		stop()
		pgtest.Within(t, "the end of the monitor", func() { <-done })
	}()
	until := func(want bool) status.Log {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if status, known := m.Status(); known == want {
				return status
			}
			select {
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatalf("timed out waiting for known = %v", want)
			}
		}
	}
	s := until(true)
	if s.QueueUsage < 0 || s.QueueUsage > 1 || s.OldestAge < time.Hour || s.OldestAge > 2*time.Hour || s.Bytes <= 0 {
		t.Errorf("got %+v", s)
	}
	pool.Close()
	until(false)
}

// TestPrunerStatus checks the counts of deleted events and of failures.
func TestPrunerStatus(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	if _, err := pool.Exec(t.Context(), `insert into pgherald.events (type, at, data) select 'a', now() - interval '2 days', '{}' from generate_series(1, 25)`); err != nil {
		t.Fatal(err)
	}
	awaitEnded(t, pool)
	p := eventlog.NewPruner(pool, eventlog.PrunerOptions{})
	if _, err := p.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := p.Status()
	if good.Pruned != 25 || good.Failures != 0 || time.Since(good.Last) > time.Minute {
		t.Errorf("after a prune got %+v", good)
	}
	pool.Close()
	if _, err := p.Prune(t.Context()); err == nil {
		t.Fatal("a prune without a database succeeded")
	}
	if bad := p.Status(); bad.Failures != 1 || !bad.Last.Equal(good.Last) {
		t.Errorf("after a failure got %+v", bad)
	}
}
