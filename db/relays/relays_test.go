package relays_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/relays"
	"github.com/pgherald/pgherald/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// TestLease checks that one process at a time has the lease, and that the term grows with each.
func TestLease(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, err := db.OpenPool(t.Context(), url, db.PoolOptions{Name: "pgherald test", Size: relays.Conns, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	take := func(runner string, atLeast uint64) (*relays.Lease, error) {
		return relays.Take(t.Context(), pool, relays.Options{Name: "s", Runner: runner, Time: time.Hour, AtLeast: atLeast})
	}
	a, err := take("a", 0)
	if err != nil || a.Term() != 1 {
		t.Fatalf("the first lease: %+v, %v", a, err)
	}
	_, err = take("b", 0)
	if active, ok := errors.AsType[*relays.ActiveError](err); !ok || active.Runner != "a" {
		t.Errorf("a second lease: %v", err)
	}
	if err := a.Extend(t.Context()); err != nil {
		t.Error(err)
	}
	pgtest.Exec(t, pgtest.Connect(t, url), `update pgherald.relays set runs_until = clock_timestamp()`)
	if err := a.Extend(t.Context()); !errors.Is(err, relays.ErrLost) {
		t.Errorf("extend a lease that has ended: %v", err)
	}
	b, err := take("b", 7)
	if err != nil || b.Term() != 7 {
		t.Fatalf("a lease with a lowest term: %+v, %v", b, err)
	}
	if err := a.End(t.Context()); !errors.Is(err, relays.ErrLost) {
		t.Errorf("end the lease of another process: %v", err)
	}
	if err := b.End(t.Context()); err != nil {
		t.Error(err)
	}
	if c, err := take("c", 3); err != nil || c.Term() != 8 {
		t.Errorf("a third lease: %+v, %v", c, err)
	}
}
