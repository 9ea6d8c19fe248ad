package triggers_test

import (
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

const twoTables = `
tables:
  - { name: public.orders, on: { insert: order_created } }
  - { name: public.items, payload: { text: n.text }, on: { insert: item_created, delete: item_deleted } }
`

// A table that cannot be watched keeps what it has, and the others get what they need.
func TestPartialApply(t *testing.T) {
	const items = `create table public.items (id int primary key, text text);`
	for name, harm := range map[string]string{
		"missing":        `alter table public.items rename to elsewhere`,
		"without key":    `alter table public.items drop constraint items_pkey`,
		"bad expression": `alter table public.items rename column text to words`,
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders+items, twoTables)
			before := b.one(`select string_agg(tgname || ' on ' || tgrelid || ' ' || tgfoid, ', ' order by oid) from pg_trigger where tgname ~ 'pgherald' and tgrelid::regclass::text !~ 'orders'`)
			b.exec(harm + `; drop trigger "00_pgherald" on public.orders`)
			spec := parse(t, twoTables)
			if _, err := triggers.Apply(t.Context(), b.conn, spec); err == nil {
				t.Error("apply succeeded without the option")
			}
			b.gives(`insert into public.orders values (1)`)
			if _, err := triggers.Apply(t.Context(), b.conn, spec, triggers.Partial()); err != nil {
				t.Fatal(err)
			}
			b.wants(ordersReset)
			b.gives(`insert into public.orders values (2)`, `order_created 2 {"id":2,"status":null,"total":null,"note":null}`)
			after := b.one(`select string_agg(tgname || ' on ' || tgrelid || ' ' || tgfoid, ', ' order by oid) from pg_trigger where tgname ~ 'pgherald' and tgrelid::regclass::text !~ 'orders'`)
			if before != after {
				t.Errorf("the triggers of the bad table were %s and are %s", before, after)
			}
			if got := b.check(twoTables); len(got) == 0 {
				t.Error("check finds no mistake")
			}
		})
	}
}

// A spec of which nothing fits is probably meant for another database.
func TestPartialApplyOfNothing(t *testing.T) {
	b := open(t, ``)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, twoTables), triggers.Partial())
	if err == nil {
		t.Fatal("apply succeeded")
	}
	contains(t, err.Error(), "table public.orders: it does not exist", "table public.items: it does not exist")
}

// Once it was installed, the same spec is not an error: a server that restarts goes on.
func TestPartialApplyOfNothingThatWasInstalled(t *testing.T) {
	b := watch(t, orders, `tables: [{ name: public.orders, on: { insert: order_created } }]`)
	b.exec(`alter table public.orders rename to elsewhere`)
	spec := parse(t, `tables: [{ name: public.orders, on: { insert: order_created } }]`)
	changes, err := triggers.Apply(t.Context(), b.conn, spec, triggers.Partial())
	if err != nil || len(changes) > 0 {
		t.Errorf("apply made %q, %v", changes, err)
	}
}
