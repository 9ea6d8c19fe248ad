package forward

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// startOnce forwards as Run does, without the retries of keepRunning after an error that is not final.
func startOnce(t *testing.T, config Config) (ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	result := make(chan error, 1)
	running := make(chan struct{})
	go func() {
		defer close(running)
		result <- keepRunning(ctx, config)
	}()
	t.Cleanup(func() { cancel(); <-running })
	return result
}

// TestUnchangedSpec checks that forwarding goes on if the collections stay the same: a TRUNCATE, a lock, a right, an index.
func TestUnchangedSpec(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	config := testConfig(databaseURL, r.url)
	config.Filter = map[string][]string{"collection": {"orders"}, "where.status": {"open"}}
	ended := startOnce(t, config)
	count := 0
	for n, sql := range []string{
		`truncate public.orders`, `lock table public.orders in access exclusive mode`, `grant select on public.orders to public`,
		`create index on public.orders (total)`,
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, tx.Conn(), sql)
		if n == 1 { // while it is locked, the position is looked at
			awaitStored(t, databaseURL)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, conn, `insert into public.orders values ($1, 'open', 1)`, n)
		count++
		r.await("the event after "+sql, func() bool { return len(r.all) >= count })
		awaitPassed(t, conn)
	}
	select {
	case err := <-ended:
		t.Errorf("forward ended: %v", err)
	default:
	}
}

// awaitPassed waits until the position is behind all events.
func awaitPassed(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	awaitCount(t, conn, `
select count(*)
from pgherald.events as e
cross join pgherald.consumers as c
where e.xid >= c.next or e.xid = any(c.holes)`, 0)
}

// awaitStored waits until the lease was extended once more, or given back.
func awaitStored(t *testing.T, databaseURL string) {
	t.Helper()
	conn := pgtest.Connect(t, databaseURL)
	var at string
	const sql = `select coalesce((select c.runs_until::text from pgherald.consumers as c), '')`
	if err := conn.QueryRow(t.Context(), sql).Scan(&at); err != nil {
		t.Fatal(err)
	}
	awaitCount(t, conn, `select count(*) from pgherald.consumers as c where c.runs_until::text is distinct from '`+at+`'`, 1)
}

// TestAppliedAnew checks that an apply of the spec that the process has does not end it, and that the position does not pass what the
// former encoder could not judge.
func TestAppliedAnew(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	config := testConfig(databaseURL, r.url)
	config.Filter = map[string][]string{"collection": {"orders"}}
	ended := startOnce(t, config)
	pgtest.Exec(t, conn, `insert into public.orders values (1, 'open', 10)`)
	r.await("an event", func() bool { return len(r.all) == 1 })
	pgtest.Exec(t, conn, `alter table public.orders add column note text`)
	apply(t, conn, "public.orders")
	pgtest.Exec(t, conn, `insert into public.orders values (2, 'open', 10, 'new')`)
	want := rowsOf(t, conn)["2"]
	r.await("the event of after the apply", func() bool { return r.rows["2"] == want })
	awaitPassed(t, conn)
	select {
	case err := <-ended:
		t.Errorf("forward ended: %v", err)
	default:
	}
}

// TestOldSpec checks that a process whose spec is not the applied one ends before the position passes events that it could not judge, and
// that a further start waits for a spec that fits, without a position that moves.
func TestOldSpec(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	config := testConfig(databaseURL, r.url)
	config.Filter = map[string][]string{"collection": {"orders"}}
	config.Lease = time.Hour // its end would begin a session that waits
	ended := startOnce(t, config)
	pgtest.Exec(t, conn, `insert into public.orders values (1, 'open', 10)`)
	r.await("an event", func() bool { return len(r.all) == 1 })
	awaitPassed(t, conn)
	pgtest.Exec(t, conn, `create table public.others (id bigint primary key)`)
	apply(t, conn, "public.others")
	publish(t, conn, "not selected") // the position would move
	pgtest.Within(t, "forward ends", func() {
		if err := <-ended; !errors.Is(err, errSpec) {
			t.Errorf("got %v", err)
		}
	})
	pgtest.Exec(t, conn, `update pgherald.consumers set runs_until = null`) // a slow machine may not have ended the lease
	withheld := &runner{config: &config}
	if _, _, err := withheld.encoder(t.Context()); !isWithheld(err) || isFinal(err) {
		t.Errorf("a start with the former spec: %v", db.Explain(err))
	}
	var tables atomic.Pointer[[]string]
	tables.Store(&[]string{"public.orders"})
	config.LoadSpec = func() (triggers.Spec, error) { return specOf(*tables.Load()...) }
	ended = startOnce(t, config)
	apply(t, conn, "public.orders", "public.others")
	tables.Store(&[]string{"public.orders", "public.others"}) // as a file that is replaced
	pgtest.Exec(t, conn, `insert into public.orders values (2, 'open', 10)`)
	r.await("the event of after the apply", func() bool { return len(r.all) == 2 })
	select {
	case err := <-ended:
		t.Errorf("forward ended: %v", err)
	default:
	}
}
