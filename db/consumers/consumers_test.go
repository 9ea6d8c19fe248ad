package consumers_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// longLease does not end within a test.
const longLease = time.Hour

func openPool(t *testing.T, url string) *db.Pool {
	t.Helper()
	pool, err := db.OpenPool(t.Context(), url, db.PoolOptions{Name: "pgherald test", Size: 2, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	// A server does this after each start of PostgreSQL.
	pgtest.Exec(t, pgtest.Connect(t, url), `insert into pgherald.recovered (id) select r.id from pgherald.recoveries as r on conflict do nothing`)
	pgtest.Exec(t, pgtest.Connect(t, url), `insert into pgherald.recovered (id) select 'test' where not exists (select from pgherald.recovered)`)
	return pool
}

func begin(t *testing.T, pool *db.Pool, runner string) (*consumers.Consumer, consumers.Position) {
	t.Helper()
	c, p, err := consumers.Begin(t.Context(), pool, options(runner))
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func options(runner string) consumers.Options {
	return consumers.Options{Name: "billing", Target: "https://billing.example", Runner: runner, Start: "now", Lease: longLease}
}

// TestOneRunner checks that one process at a time can move a consumer, and that a position is stored.
func TestOneRunner(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	c, p := begin(t, pool, "a")
	if !p.IsNew || !p.IsSameLog {
		t.Errorf("a new consumer begins at %+v", p)
	}
	_, _, err := consumers.Begin(t.Context(), pool, options("b"))
	if active, ok := errors.AsType[*consumers.ActiveError](err); !ok || active.Runner != "a" {
		t.Errorf("a second runner: %v", err)
	}
	progress := consumers.Progress{Next: p.Next + 7, Holes: []uint64{p.Next + 1, p.Next + 3}, Reset: "pruned", FailingSince: time.Now(), Failure: "status 500"}
	if err := c.Save(t.Context(), progress); err != nil {
		t.Fatal(err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), progress); !errors.Is(err, consumers.ErrLost) {
		t.Errorf("a write after the end of the lease: %v", err)
	}
	_, after := begin(t, pool, "b")
	if after.Next != progress.Next || len(after.Holes) != 2 || after.Holes[1] != progress.Holes[1] || after.Reset != "pruned" || after.IsNew {
		t.Errorf("stored %+v, read %+v", progress, after)
	}
	if _, err := c.Park(t.Context(), parked(1, "x"), false, 9); !errors.Is(err, consumers.ErrLost) {
		t.Errorf("a process that is not the runner parks: %v", err)
	}
}

// TestLostRunner checks what ends a runner: a recovery of PostgreSQL, the end of the lease, and another process. No write of it succeeds
// afterwards.
func TestLostRunner(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	for _, sql := range []string{
		`update pgherald.recovered set id = id || 'x'`,
		`update pgherald.consumers set runs_until = clock_timestamp()`,
		`update pgherald.consumers set runner = 'b'`,
		`select pgherald.drop_consumer('billing')`,
	} {
		c, p := begin(t, pool, "a")
		if _, err := c.Park(t.Context(), parked(1, "x"), false, 9); err != nil {
			t.Fatal(err)
		}
		all, err := consumers.List(t.Context(), pool, "billing", 10)
		if err != nil || len(all) != 1 {
			t.Fatalf("parked %+v, %v", all, err)
		}
		pgtest.Exec(t, conn, sql)
		for name, write := range writes(t.Context(), c, p, all[0]) {
			if err := write(); !errors.Is(err, consumers.ErrLost) {
				t.Errorf("%s after %s: %v", name, sql, err)
			}
		}
		left, err := consumers.List(t.Context(), pool, "billing", 10)
		if !errors.Is(err, consumers.ErrUnknown) && (err != nil || len(left) != 1 || left[0].Failure != all[0].Failure) {
			t.Errorf("after %s: parked %+v, %v", sql, left, err)
		}
		pgtest.Exec(t, conn, `delete from pgherald.consumers`)
	}
}

// writes are what a runner writes, by name.
func writes(ctx context.Context, c *consumers.Consumer, p consumers.Position, of consumers.Parked) map[string]func() error {
	return map[string]func() error{
		"Save":   func() error { return c.Save(ctx, consumers.Progress{Next: p.Next + 1}) },
		"Park":   func() error { _, err := c.Park(ctx, parked(2, "x"), false, 9); return err },
		"Unpark": func() error { return c.Unpark(ctx, of) },
		"Refuse": func() error { return c.Refuse(ctx, of, "again") },
		"Reset":  func() error { return c.Reset(ctx, "pruned") },
	}
}

// TestTakenMeanwhile checks that a write does not succeed if another process takes the consumer after the write has begun.
func TestTakenMeanwhile(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	c, _ := begin(t, pool, "a")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `update pgherald.consumers set runner = 'b'`); err != nil {
		t.Fatal(err)
	}
	parking := make(chan error, 1)
	go func() {
		_, err := c.Park(t.Context(), parked(1, "x"), false, 9)
		parking <- err
	}()
	pgtest.AwaitLockWait(t, pgtest.Connect(t, url), pgtest.LockWait{HasEnded: func() bool { return len(parking) > 0 }})
	pgtest.Commit(t, tx)
	pgtest.Within(t, "the write ends", func() {
		if err := <-parking; !errors.Is(err, consumers.ErrLost) {
			t.Errorf("a process that is not the runner any more parks: %v", err)
		}
	})
}

// TestResetConsumer checks that a consumer is reset only while no process may have older events on their way.
func TestResetConsumer(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	c, p := begin(t, pool, "a")
	const sql = `select pgherald.reset_consumer('billing')`
	_, err := conn.Exec(t.Context(), sql)
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "55006" {
		t.Errorf("a reset while a process runs: %v", err)
	}
	if err := c.Save(t.Context(), consumers.Progress{Next: p.Next, Reset: "pruned"}); err != nil {
		t.Errorf("the process that runs: %v", err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `select pgherald.publish('x', '1')`)
	pgtest.Exec(t, conn, sql)
	if _, after := begin(t, pool, "b"); after.Next <= p.Next || after.Reset != "" {
		t.Errorf("reset from %+v to %+v", p, after)
	}
	pgtest.Exec(t, conn, `update pgherald.consumers set runs_until = clock_timestamp()`) // of a process that was killed
	pgtest.Exec(t, conn, sql)
}

// TestJobsAndServices checks that neither takes the consumer of the other.
func TestJobsAndServices(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	begin(t, pool, "a")
	if _, err := conn.Exec(t.Context(), `select pgherald.consume('billing')`); err == nil || !strings.Contains(err.Error(), "pgherald forward moves") {
		t.Errorf("a job consumes: %v", err)
	}
	pgtest.Exec(t, conn, `select pgherald.drop_consumer('billing')`)
	pgtest.Exec(t, conn, `select pgherald.publish('x', '1')`)
	pgtest.Exec(t, conn, `select pgherald.consume('billing', start => 'oldest')`)
	if _, _, err := consumers.Begin(t.Context(), pool, options("a")); err == nil || !strings.Contains(err.Error(), "a job moves") {
		t.Errorf("a service takes the consumer of a job: %v", err)
	}
}

func parked(id int64, lane string) consumers.Parked {
	return consumers.Parked{ID: id, Lane: lane, Type: "x", Key: "k", Envelope: json.RawMessage(`{"id":1}`), Attempts: 3, Failure: "status 400"}
}

// TestParkSameID checks that an event is parked beside another one with its id, which is of before the log was reset, and that one whose
// lane has its id replaces that.
func TestParkSameID(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	c, _ := begin(t, pool, "a")
	other := parked(1, "x")
	other.Type = "y"
	for _, p := range []consumers.Parked{parked(1, "x"), parked(1, "y"), other} {
		if verdict, err := c.Park(t.Context(), p, false, 9); verdict != consumers.IsParked || err != nil {
			t.Fatalf("park %+v: %v, %v", p, verdict, err)
		}
	}
	if verdict, err := c.Park(t.Context(), parked(1, "z"), false, 2); verdict != consumers.IsFull || err != nil {
		t.Errorf("another lane, without room: %v, %v", verdict, err)
	}
	all, err := consumers.List(t.Context(), pool, "billing", 9)
	if err != nil || len(all) != 2 || all[0].Lane != "x" || all[0].Type != "y" || all[1].Lane != "y" {
		t.Errorf("parked %+v, %v", all, err)
	}
}

// TestParkedOrder checks that the events of a lane are replayed in their order, if an earlier one comes again and is parked again after
// a later one.
func TestParkedOrder(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	c, _ := begin(t, pool, "a")
	for _, id := range []int64{2, 1} {
		if _, err := c.Park(t.Context(), parked(id, "x"), false, 9); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := consumers.Replay(t.Context(), pool, "billing", nil); err != nil {
		t.Fatal(err)
	}
	if first, _, err := c.First(t.Context(), "x"); err != nil || first.ID != 1 {
		t.Errorf("first %+v, %v", first, err)
	}
}

// TestPark checks the order and the bounds of parked events, and what operators do with them.
func TestPark(t *testing.T) {
	pool := openPool(t, pgtest.NewDatabase(t))
	c, _ := begin(t, pool, "a")
	park := func(p consumers.Parked, behind bool, want consumers.Verdict) {
		t.Helper()
		if got, err := c.Park(t.Context(), p, behind, 3); err != nil || got != want {
			t.Errorf("event %d: verdict %v, %v; want %v", p.ID, got, err, want)
		}
	}
	park(parked(1, "x"), true, consumers.IsFree)
	park(parked(1, "x"), false, consumers.IsParked)
	park(parked(2, "x"), true, consumers.IsParked)
	park(parked(2, "x"), true, consumers.IsParked) // again, after a kill
	park(parked(3, "y"), false, consumers.IsParked)
	park(parked(4, "y"), true, consumers.IsFull)
	park(parked(3, "y"), true, consumers.IsParked)
	if _, found, err := c.First(t.Context(), "x"); found || err != nil {
		t.Errorf("a lane is due that was not replayed: %v", err)
	}
	if n, err := consumers.Replay(t.Context(), pool, "billing", []int64{2}); n != 2 || err != nil {
		t.Errorf("replay of a lane: %d events, %v", n, err)
	}
	lanes, err := c.Lanes(t.Context())
	if err != nil || !lanes["x"] || lanes["y"] || len(lanes) != 2 {
		t.Errorf("lanes %v, %v", lanes, err)
	}
	first, found, err := c.First(t.Context(), "x")
	if !found || err != nil || first.ID != 1 || string(first.Envelope) != `{"id":1}` {
		t.Fatalf("first %+v, %v, %v", first, found, err)
	}
	if err := c.Unpark(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if first, _, err = c.First(t.Context(), "x"); err != nil || first.ID != 2 {
		t.Fatalf("second %+v, %v", first, err)
	}
	if err := c.Refuse(t.Context(), first, "again"); err != nil {
		t.Fatal(err)
	}
	all, err := consumers.List(t.Context(), pool, "billing", 10)
	if err != nil || len(all) != 2 || all[0].Failure != "again" || all[0].IsDue {
		t.Errorf("list %+v, %v", all, err)
	}
	if n, err := consumers.Drop(t.Context(), pool, "billing", nil); n != 2 || err != nil {
		t.Errorf("drop of %d events: %v", n, err)
	}
	park(parked(5, "x"), true, consumers.IsFree)
	if _, err := consumers.Drop(t.Context(), pool, "absent", nil); !errors.Is(err, consumers.ErrUnknown) {
		t.Errorf("drop for no consumer: %v", err)
	}
}
