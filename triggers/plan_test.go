package triggers_test

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// plpgsql caches plans for a session. These tests check that a plan stays good and right whatever comes later.

// A later write must look up a joined table by index, however many rows an earlier statement had. A
// sequential scan would read the whole table for every write of one row.
func TestJoinsUseTheIndex(t *testing.T) {
	for name, on := range map[string]string{
		"one event":  `{ insert: created }`,
		"two events": `{ insert: [created, noticed] }`,
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, orders+`
				create table public.customers (id int primary key, name text);
				insert into public.customers select g, g from generate_series(1, 20000) as g;
				analyze public.customers`, `
tables:
  - name: public.orders
    join: public.customers as c on c.id = n.id
    payload: { name: c.name, again: (select d.name from public.customers as d where d.id = n.id) }
    on: `+on)
			const scans = `select format('%s, by index %s', seq_scan, idx_scan)
				from pg_stat_xact_user_tables where relname = 'customers'`
			b.exec(`begin; insert into public.orders select generate_series(1, 100)`)
			one := b.one(scans)
			b.exec(`insert into public.orders select generate_series(101, 1100)`)
			if many := b.one(scans); strings.Split(one, ",")[0] != strings.Split(many, ",")[0] || one == many {
				t.Errorf("scans of customers: %s, and after another 1000 rows %s", one, many)
			}
			b.exec(`commit`)
		})
	}
}

// A session keeps the plans of its earlier writes. A column whose type changes, or that comes or goes, must
// not break its later writes.
func TestPlansFollowTheTable(t *testing.T) {
	b := watch(t, orders+partsOfOrders, `
tables:
  - name: public.orders
    on: { insert: order_created, update: order_updated, delete: order_deleted }
    payload: { id: n.id, status: n.status, was: o.status }
  - name: public.parts
    on: { insert: part_created, update: part_updated, delete: part_deleted }
    payload: { status: n.status, was: o.status }
`)
	for i := range 7 { // plpgsql switches to a generic plan after five
		b.exec(`insert into public.orders values ($1, 'a')`, i)
		b.exec(`insert into public.parts values ($1, 1, 'a')`, i)
	}
	b.exec(`update public.orders set status = 'b'; update public.parts set status = 'b'`)
	b.events()
	other := pgtest.Connect(t, b.url)
	pgtest.Exec(t, other, `alter table public.orders alter id type bigint, alter status type int using 7;
		alter table public.parts alter id type bigint, alter status type int using 7`)
	b.gives(`insert into public.orders values (9, 8)`, `order_created 9 {"id":9,"status":8,"was":null}`)
	b.gives(`insert into public.parts values (9, 1, 8)`, `part_created [9, 1] {"status":8,"was":null}`)
	b.gives(`insert into public.parts_1 values (8, 1, 8)`, `part_created [8, 1] {"status":8,"was":null}`)
	b.gives(`update public.orders set status = 9 where id = 9`, `order_updated 9 {"id":9,"status":9,"was":8}`)
	b.gives(`update public.orders set id = 10 where id = 9`,
		`order_deleted 9 {"id":9,"status":9,"was":9}`, `order_created 10 {"id":10,"status":9,"was":null}`)
	pgtest.Exec(t, other, `alter table public.orders drop note, add more int`)
	b.gives(`delete from public.orders where id = 10`, `order_deleted 10 {"id":10,"status":9,"was":9}`)
	b.gives(`delete from public.parts where id = 9`, `part_deleted [9, 1] {"status":8,"was":8}`)
}

const partsOfOrders = `
	create table public.parts (id int, part int, status text, primary key (id, part)) partition by list (part);
	create table public.parts_1 partition of public.parts for values in (1);`
