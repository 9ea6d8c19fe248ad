package consumers_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

// lookAt returns a consumer, without its times.
func lookAt(t *testing.T, pool *db.Pool, name string) status.Consumer {
	t.Helper()
	found, err := consumers.Look(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found.List {
		if c.Name != name {
			continue
		}
		if (c.LagMS == 0) != (c.Behind == 0) || c.FailingSince.IsZero() != (c.Failure == "") {
			t.Errorf("got %+v", c)
		}
		c.LagMS, c.Moved, c.FailingSince = 0, time.Time{}, time.Time{}
		return c
	}
	t.Fatalf("%s is not in %+v", name, found)
	return status.Consumer{}
}

// TestLook checks what operators see of consumers of both kinds.
func TestLook(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	check := func(want status.Consumer) {
		t.Helper()
		if got := lookAt(t, pool, want.Name); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	pgtest.Exec(t, conn, `select pgherald.consume('search')`)
	c, p := begin(t, pool, "a")
	forwarded := status.Consumer{Name: "billing", State: status.ConsumerRunning, Target: "https://billing.example"}
	check(forwarded)
	check(status.Consumer{Name: "search", State: status.ConsumerJob})

	pgtest.Exec(t, conn, `select pgherald.publish('note', '1')`)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, at, data) select 'note', now() - interval '1 hour', '1' from generate_series(1, 3)`)
	forwarded.Behind = 4
	check(forwarded)
	check(status.Consumer{Name: "search", State: status.ConsumerJob, Behind: 4})
	all, err := consumers.Look(t.Context(), pool)
	if err != nil || len(all.List) != 2 || all.More || all.List[0].LagMS <= 0 || all.Checked.IsZero() {
		t.Errorf("got %+v: %v", all, err)
	}

	pgtest.Exec(t, conn, `select count(*) from pgherald.consume('search')`)
	check(status.Consumer{Name: "search", State: status.ConsumerJob})
	event := consumers.Parked{ID: 1, Lane: "l", Type: "note", Envelope: []byte(`{}`), Attempts: 1, Failure: "status 422"}
	if _, err := c.Park(t.Context(), event, false, 10); err != nil {
		t.Fatal(err)
	}
	progress := consumers.Progress{Next: p.Next, Holes: p.Holes, FailingSince: time.Now(), Failure: strings.Repeat("x", 1000)}
	if err := c.Save(t.Context(), progress); err != nil {
		t.Fatal(err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwarded.State, forwarded.Parked, forwarded.Failure = status.ConsumerStopped, 1, strings.Repeat("x", 400)
	check(forwarded)
	pgtest.Exec(t, conn, `update pgherald.consumers set holes = array(select e.xid from pgherald.events as e order by e.xid limit 1), next = pg_current_xact_id() where name = 'billing'`)
	forwarded.Behind = 1
	check(forwarded)
	pgtest.Exec(t, conn, `update pgherald.log set pruned_below = (select e.xid from pgherald.events as e order by e.xid desc limit 1)`)
	forwarded.Lost = true
	check(forwarded)
}

// TestMonitor checks that a look is bounded, and what a monitor says before it, after it and without the table.
func TestMonitor(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `
insert into pgherald.consumers (name, log, next, holes)
select 'c' || i, 'x/' || l.id, '3', '{}' from generate_series(1, 101) as i cross join pgherald.log as l`)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, data) select 'note', '1' from generate_series(1, 1100)`)
	m := consumers.NewMonitor(pool, slog.New(slog.DiscardHandler))
	if got := m.Status(); got.Error == "" || got.List == nil {
		t.Errorf("before a look: %+v", got)
	}
	runUntil(t, m, func(s status.Consumers) bool { return s.Error == "" })
	got := m.Status()
	if len(got.List) != status.MaxConsumers || !got.More || got.List[0].Behind != status.MaxBehind {
		t.Errorf("got %d consumers, %+v", len(got.List), got.List[0])
	}
	pgtest.Exec(t, conn, `drop table pgherald.parked`)
	runUntil(t, m, func(s status.Consumers) bool { return strings.Contains(s.Error, "parked") })
	if got := m.Status(); len(got.List) != 0 {
		t.Errorf("got %+v", got)
	}
}

// runUntil runs a monitor until its status is as it should be.
func runUntil(t *testing.T, m *consumers.Monitor, holds func(status.Consumers) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.Run(ctx) }()
	pgtest.Within(t, "a look at the consumers", func() {
		looks := time.NewTicker(10 * time.Millisecond)
		defer looks.Stop()
		for !holds(m.Status()) {
			<-looks.C
		}
	})
	cancel()
	<-ended
}
