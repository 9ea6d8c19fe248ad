package eventlog_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
)

// hold holds the table public.t for half a minute.
const hold = `
	insert into pgherald.held_resets as h ("table", until, paid_at)
	values ('public.t', now() + interval '30 seconds', now())
	on conflict ("table") do update set until = excluded.until`

// fail writes to public.t, as a trigger does whose SQL names a column that is gone.
func fail(t *testing.T, conn *pgx.Conn, key string) {
	t.Helper()
	pgtest.Exec(t, conn, `select pgherald.reset_collection('public.t', $1, '42703')`, key)
}

// A server that ends pays what is owed, and ends the holds, since it may be the last one.
func TestPayerPaysAtTheEnd(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	payer := eventlog.NewPayer(openPool(t, url), slog.New(slog.DiscardHandler))
	payer.SetTimeout(time.Minute)
	payer.Failed("public.t", "42703")
	if err := payer.Pay(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, hold)
	fail(t, conn, "1")
	ended, end := context.WithCancel(t.Context())
	end()
	payer.Run(ended)
	fail(t, conn, "2")
	if got := resetsOf(t, conn); got != "- 42703, 2 42703" {
		t.Errorf("after the end of the server: %s", got)
	}
}

// A payment that fails forgets no table.
func TestPayerRemembersAfterAnError(t *testing.T) {
	url := pgtest.NewDatabase(t)
	payer := eventlog.NewPayer(openPool(t, url), slog.New(slog.DiscardHandler))
	payer.SetTimeout(time.Minute)
	payer.Failed("public.t", "42703")
	ended, end := context.WithCancel(t.Context())
	end()
	if err := payer.Pay(ended); err == nil {
		t.Fatal("a payment without time succeeded")
	}
	if err := payer.Pay(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := queryText(t, pgtest.Connect(t, url), `select string_agg(h."table", ' ') from pgherald.held_resets as h`); got != "public.t" {
		t.Errorf("held: %s", got)
	}
}

// What is owed when the last server is gone comes with the next write that fails: its reset is for all rows.
func TestOwedResetsWithoutServers(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, hold)
	fail(t, conn, "1")
	pgtest.Exec(t, conn, `update pgherald.held_resets set until = now() - interval '1 second'`)
	fail(t, conn, "2")
	if got := resetsOf(t, conn); got != "- 42703" {
		t.Errorf("after the end of the hold: %s", got)
	}
}

// A clock that steps back neither makes a hold last nor stops payments.
func TestOwedResetsWithAClockThatStepsBack(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, hold)
	pgtest.Exec(t, conn, `update pgherald.held_resets set until = now() + interval '1 hour', paid_at = now() + interval '1 hour'`)
	fail(t, conn, "1")
	if got := resetsOf(t, conn); got != "1 42703" {
		t.Errorf("while a hold lies in the future: %s", got)
	}
	pgtest.Exec(t, conn, hold)
	fail(t, conn, "2")
	pgtest.Exec(t, conn, `select pgherald.pay_resets('{}')`)
	if got := resetsOf(t, conn); got != "1 42703, - 42703" {
		t.Errorf("after a payment: %s", got)
	}
}

// A publication of all tables brings neither holds nor what another cluster's writes owe; a write that it brings owes its reset.
func TestOwedResetsAreNotReplicated(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, `set session_replication_role = replica`)
	pgtest.Exec(t, conn, `insert into pgherald.owed_resets values ('public.t', '1', '42703')`)
	pgtest.Exec(t, conn, hold)
	const rows = `select format('%s held, %s owed', (select count(*) from pgherald.held_resets), (select count(*) from pgherald.owed_resets))`
	if got := queryText(t, conn, rows); got != "0 held, 0 owed" {
		t.Errorf("replicated: %s", got)
	}
	pgtest.Exec(t, conn, `set session_replication_role = origin`)
	pgtest.Exec(t, conn, hold)
	pgtest.Exec(t, conn, `set session_replication_role = replica`)
	fail(t, conn, "1")
	pgtest.Exec(t, conn, `delete from pgherald.owed_resets`)
	if got := queryText(t, conn, rows); got != "1 held, 1 owed" {
		t.Errorf("after a replicated write and delete: %s", got)
	}
}

// Payers lock what they pay and what they hold in one order, so they never wait for each other in a circle.
func TestPayersLockInOrder(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, blocker, waiting := pgtest.Connect(t, url), pgtest.Begin(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `select pgherald.pay_resets('{public.a}')`)
	pgtest.Exec(t, conn, hold)
	fail(t, conn, "1")
	pgtest.Exec(t, conn, `update pgherald.held_resets set paid_at = now() - interval '1 hour'`)
	if _, err := blocker.Exec(t.Context(), `select from pgherald.held_resets as h where h."table" = 'public.a' for update`); err != nil {
		t.Fatal(err)
	}
	paid := make(chan error, 1)
	go func() {
		_, err := waiting.Exec(t.Context(), `select pgherald.pay_resets('{public.a}')`)
		paid <- err
	}()
	pgtest.AwaitLockWait(t, conn, pgtest.LockWait{Query: "pay_resets", HasEnded: func() bool { return len(paid) > 0 }})
	if got := queryText(t, conn, `
		select count(*)::text
		from (select from pgherald.held_resets as h where h."table" = 'public.t' for update skip locked) as h`); got != "1" {
		t.Error("a payer that waits for the first table has locked the second one")
	}
	pgtest.Commit(t, blocker)
	if err := <-paid; err != nil {
		t.Fatal(err)
	}
	if got := resetsOf(t, conn); got != "- 42703" {
		t.Errorf("paid: %s", got)
	}
}
