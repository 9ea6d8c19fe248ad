package triggers_test

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

var large = flag.Bool("large", false, "run TestErrorBecauseOfTheSize")

// failing is a spec whose SQL can fail for a row.
func failing(field, sql, mode string) string {
	return `
on_error: ` + mode + `
tables:
  - name: public.orders
    payload: { id: n.id, status: n.status }
    on: { insert: created, update: { type: updated, ` + field + `: ` + strconv.Quote(sql) + ` }, delete: deleted }
`
}

// After a swap by renaming, the rows of the old table are not reported as those of the new one, also in a
// session that has written before.
func TestTablesSwappedByRenaming(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    on: { insert: created, update: updated, delete: deleted }
    payload: { id: n.id, status: n.status }
`)
	for i := range 7 { // plpgsql switches to a generic plan after five
		b.exec(`insert into public.orders values ($1, 'a')`, i)
	}
	b.events()
	const reset = `collection_reset - {"table":"public.orders","key":"%s","reason":"expression","sqlstate":"42P01"}`
	pgtest.Exec(t, pgtest.Connect(t, b.url), `alter table public.orders rename to orders_old;
		create table public.orders (like public.orders_old including all)`)
	b.gives(`update public.orders_old set status = 'b' where id = 1`, fmt.Sprintf(reset, "1"))
	b.gives(`insert into public.orders_old values (9, 'a')`, fmt.Sprintf(reset, "9"))
	b.gives(`insert into public.orders values (10, 'a')`) // it has no trigger: that is drift
	pgtest.Exec(t, pgtest.Connect(t, b.url), `drop table public.orders; alter table public.orders_old rename to orders`)
	b.gives(`delete from public.orders where id = 9`, `deleted 9 {"id":9,"status":"a"}`)
}

// An error in a payload, key, audience or condition lets the write go through and gives a collection_reset.
func TestErrorInAnExpression(t *testing.T) {
	for field, c := range map[string]struct{ sql, key string }{
		"when":     {"1 / n.total > 0", `"key":"1",`},
		"key":      {"1 / n.total", ""},
		"audience": {"array[(1 / n.total)::text]", ""},
	} {
		t.Run(field, func(t *testing.T) {
			b := watch(t, orders, failing(field, c.sql, "reset"))
			b.exec(`insert into public.orders values (1, 'a', 1), (2, 'b', 1)`)
			b.events()
			b.gives(`update public.orders set total = 0 where id = 1`,
				`collection_reset - {"table":"public.orders",`+c.key+`"reason":"expression","sqlstate":"22012"}`)
			if got := b.one(`select count(*) from public.orders where total = 0`); got != "1" {
				t.Errorf("%s rows were written, want 1", got)
			}
			if got := b.one(`select count(*) from pgherald.events where audience is not null and type = 'collection_reset'`); got != "0" {
				t.Error("the reset has an audience")
			}
			b.gives(`delete from public.orders where id = 1`, `deleted 1 {"id":1,"status":"a"}`)
		})
		t.Run(field+", abort", func(t *testing.T) {
			b := watch(t, orders, failing(field, c.sql, "abort"))
			b.exec(`insert into public.orders values (1, 'a', 1)`)
			b.events()
			contains(t, b.fails(`update public.orders set total = 0`), "division by zero")
			b.wants()
		})
	}
}

func TestErrorInAPayload(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    payload: { share: 1 / n.total }
    on: { insert: created, update: updated, delete: deleted, truncate: as-deletes }
`)
	const ok, reset = `{"share":1.00000000000000000000}`, `"reason":"expression","sqlstate":"22012"}`
	b.gives(`insert into public.orders values (1, 'a', 1), (2, 'b', 0), (3, 'c', 1)`, `created 1 `+ok,
		`collection_reset - {"table":"public.orders","key":"2",`+reset, `created 3 `+ok)
	b.gives(`update public.orders set id = 4 where id = 2`, `collection_reset - {"table":"public.orders",`+reset)
	b.gives(`delete from public.orders where id = 4`, `collection_reset - {"table":"public.orders","key":"4",`+reset)
	b.exec(`insert into public.orders values (5, 'd', 0)`)
	b.events()
	b.exec(`truncate public.orders`)
	b.wantsAnyOrder(`deleted 1 `+ok, `deleted 3 `+ok, `collection_reset - {"table":"public.orders","key":"5",`+reset)
}

// "when others" alone does not mean a failed assertion.
func TestFailedAssertion(t *testing.T) {
	b := watch(t, orders+`
		create function public.positive(int) returns int language plpgsql as
		'begin assert $1 > 0; return $1; end'`, failing("when", "public.positive(n.total::int) > 0", "reset"))
	b.exec(`insert into public.orders values (1, 'a', 1)`)
	b.events()
	b.gives(`update public.orders set total = 0`,
		`collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"P0004"}`)
}

// A statement that fails for many rows does not flood the log, and no event hides between the resets.
func TestErrorInManyRows(t *testing.T) {
	b := watch(t, orders, failing("when", "1 / n.total > 0", "reset"))
	b.exec(`insert into public.orders select g, 'a', 1 from generate_series(1, 1000) as g`)
	b.events()
	b.gives(`update public.orders set total = 0`,
		`collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"22012"}`,
		`collection_reset - {"table":"public.orders","reason":"expression","sqlstate":"22012"}`)
	b.gives(`begin; update public.orders set note = '{}' where id = 1; insert into public.orders values (0);
			update public.orders set note = '[]' where id = 1; commit`,
		`collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"22012"}`,
		`created 0 {"id":0,"status":null}`,
		`collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"22012"}`)
}

// The transaction numbers of subtransactions would fill the snapshots of all sessions.
func TestGuardTakesNoTransactionNumber(t *testing.T) {
	b := watch(t, orders, failing("when", "1 / n.total > 0", "reset"))
	b.exec(`begin; insert into public.orders values (0, 'a', 1)`)
	before := b.one(`select pg_current_xact_id()::text`)
	b.exec(`insert into public.orders select g, 'a', 1 from generate_series(1, 1000) as g;
		update public.orders set status = 'b'; delete from public.orders; commit`)
	after := b.one(`select pg_current_xact_id()::text`)
	first, _ := strconv.Atoi(before)
	last, _ := strconv.Atoi(after)
	if last-first > 100 { // other tests take numbers too
		t.Errorf("the transaction took %d numbers", last-first)
	}
}

// A change of the schema must not fail writes, and what can be computed still gives its events.
func TestErrorsAfterAChangeOfTheSchema(t *testing.T) {
	for name, c := range map[string]struct{ change, sqlstate, key string }{
		"column renamed":        {`alter table public.orders rename status to state`, "42703", `"key":"1",`},
		"column dropped":        {`alter table public.orders drop status`, "42703", `"key":"1",`},
		"key column renamed":    {`alter table public.orders rename id to number`, "42703", ""},
		"joined column renamed": {`alter table public.customers rename name to title`, "42703", `"key":"1",`},
		"joined table dropped":  {`drop table public.customers`, "42P01", `"key":"1",`},
		"function dropped":      {`drop function public.shout`, "42883", `"key":"1",`},
		"table renamed":         {`alter table public.orders rename to purchases`, "42P01", `"key":"1",`},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders+`
				create table public.customers (id int primary key, name text);
				create function public.shout(text) returns text language sql as 'select upper($1)'`, `
tables:
  - name: public.orders
    left_join: public.customers as c on c.id = n.id
    payload: { status: n.status, customer: c.name, loud: "public.shout('x')" }
    on: { insert: created, update: updated, delete: deleted }
`)
			b.exec(`insert into public.orders values (0, 'a')`)
			b.events()
			other := pgtest.Connect(t, b.url)
			pgtest.Exec(t, other, c.change)
			for _, conn := range []*pgx.Conn{b.conn, pgtest.Connect(t, b.url)} {
				table := "public.orders"
				if strings.Contains(c.change, "purchases") {
					table = "public.purchases"
				}
				pgtest.Exec(t, conn, `insert into `+table+` values (1)`)
				b.wants(`collection_reset - {"table":"public.orders",` + c.key + `"reason":"expression","sqlstate":"` + c.sqlstate + `"}`)
				pgtest.Exec(t, conn, `delete from `+table)
				b.events()
			}
		})
	}
}

// The JSON of a text may be larger than PostgreSQL allows, and an event may be larger than a row.
func TestErrorBecauseOfTheSize(t *testing.T) {
	if !*large {
		t.Skip("takes a minute and 3 GB of memory: use -args -large")
	}
	b := watch(t, `create table public.orders (id int primary key, a text, b text)`, `
tables: [{ name: public.orders, on: { insert: created } }]`)
	b.gives(`insert into public.orders values (1, repeat(e'\x01', 200000000))`,
		`collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"54000"}`)
	b.gives(`insert into public.orders values (2, repeat('a', 150000000), repeat('b', 150000000))`,
		`collection_reset - {"table":"public.orders","key":"2","reason":"expression","sqlstate":"54000"}`)
	b.exec(`insert into public.orders values (3, repeat('a', 100000000))`)
	if got := b.one(`select octet_length(data::text) from pgherald.events where type = 'created'`); got != "100000024" {
		t.Errorf("the event has %s bytes", got)
	}
}

// A cancelled statement ends: a reset instead would delay it.
func TestCancelEndsTheStatement(t *testing.T) {
	b := watch(t, orders, failing("when", "pg_sleep(60) is null", "reset"))
	b.exec(`insert into public.orders values (1)`)
	b.events()
	contains(t, b.fails(`set statement_timeout = '50ms'; update public.orders set status = 'b'`), "statement timeout")
	b.wants()
}

// The wake-up also announces a reset.
func TestResetIsAnnounced(t *testing.T) {
	b := watch(t, orders, failing("when", "1 / n.total > 0", "reset"))
	b.exec(`insert into public.orders values (1)`)
	b.exec(`update public.orders set total = 1`)
	if got := b.announced(`update public.orders set total = 0`); len(got) != 1 {
		t.Errorf("wake-ups: %q", got)
	}
}
