package eventlog_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
)

// resetsOf returns the resets of the table public.t in the log, as key and sqlstate.
func resetsOf(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return queryText(t, conn, `
		select coalesce(string_agg(coalesce(e.data ->> 'key', '-') || ' ' || (e.data ->> 'sqlstate'), ', ' order by e.id), '')
		from pgherald.events as e
		where e.type = 'collection_reset' and e.data ->> 'table' = 'public.t' and e.data ->> 'reason' = 'expression'`)
}

// While a table is held, its writes owe their resets: one comes for all that have committed, and none is forgotten. A reset
// that is due to the row comes at once.
func TestOwedResets(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, conn := openPool(t, url), pgtest.Connect(t, url)
	fail := func(key, code string) {
		pgtest.Exec(t, conn, `select pgherald.reset_collection('public.t', $1, $2)`, key, code)
	}
	pay := func(spacing string) {
		pgtest.Exec(t, conn, `select pgherald.pay_resets('{}', $1::text::interval)`, spacing)
	}
	payer := eventlog.NewPayer(pool, slog.New(slog.DiscardHandler))
	payer.SetTimeout(time.Minute)
	fail("1", "42703")
	payer.Failed("public.t", "42703")
	payer.Failed("public.other", "22012")
	if err := payer.Pay(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := queryText(t, conn, `select string_agg(h."table", ' ') from pgherald.held_resets as h`); got != "public.t" {
		t.Errorf("held: %s", got)
	}
	open := pgtest.Begin(t, url)
	if _, err := open.Exec(t.Context(), `select pgherald.reset_collection('public.t', '2', '42P01')`); err != nil {
		t.Fatal(err)
	}
	fail("3", "42703")
	fail("4", "42703")
	fail("5", "22012")
	pay("1 hour") // it was paid a moment ago
	if got := resetsOf(t, conn); got != "1 42703, 5 22012" {
		t.Errorf("while the table is held: %s", got)
	}
	pay("0 seconds")
	pay("0 seconds")
	if got := resetsOf(t, conn); got != "1 42703, 5 22012, - 42703" {
		t.Errorf("after the payment: %s", got)
	}
	pgtest.Commit(t, open)
	pay("0 seconds")
	if got := resetsOf(t, conn); got != "1 42703, 5 22012, - 42703, - 42P01" {
		t.Errorf("after a write that committed later: %s", got)
	}
	pgtest.Exec(t, conn, `update pgherald.held_resets set until = now() - interval '1 second'`)
	fail("6", "42703")
	if got := resetsOf(t, conn); got != "1 42703, 5 22012, - 42703, - 42P01, 6 42703" {
		t.Errorf("after the end of the hold: %s", got)
	}
	pay("0 seconds")
	if got := queryText(t, conn, `select count(*)::text from pgherald.held_resets`); got != "0" {
		t.Errorf("%s tables are still held", got)
	}
}

// Servers that pay at the same moment write one reset.
func TestPayersBesideEachOther(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, waiting, other := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Begin(t, url)
	pgtest.Exec(t, conn, `select pgherald.pay_resets('{public.t}', '15 seconds')`)
	pgtest.Exec(t, conn, `select pgherald.reset_collection('public.t', null, '42703')`)
	pgtest.Exec(t, conn, `update pgherald.held_resets set paid_at = now() - interval '2 hours'`)
	if _, err := other.Exec(t.Context(), `select pgherald.pay_resets('{}', '1 hour')`); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := waiting.Exec(t.Context(), `select pgherald.pay_resets('{}', '1 hour')`)
		second <- err
	}()
	pgtest.Commit(t, other)
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	if got := resetsOf(t, conn); got != "- 42703" {
		t.Errorf("two payers wrote %s", got)
	}
}
