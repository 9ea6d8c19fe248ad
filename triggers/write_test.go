package triggers_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	orders = `create table public.orders (id int primary key, status text, total numeric, note json);`
	// ordersSpec shows the status before and after the write.
	ordersSpec = `
tables:
  - name: public.orders
    on:
      insert: order_created
      update: order_updated
      delete: order_deleted
    payload: { id: n.id, status: n.status, was: o.status }
`
)

func TestInsert(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.gives(`insert into public.orders values (1, 'new'), (2, null)`,
		`order_created 1 {"id":1,"status":"new","was":null}`,
		`order_created 2 {"id":2,"status":null,"was":null}`)
	b.gives(`insert into public.orders select 3, 'x' where false`)
}

func TestUpdate(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'new'), (2, 'new'), (3, 'done')`)
	b.events()
	b.gives(`update public.orders set status = 'done'`,
		`order_updated 1 {"id":1,"status":"done","was":"new"}`,
		`order_updated 2 {"id":2,"status":"done","was":"new"}`)
	b.gives(`update public.orders set status = 'done'`) // changes nothing
	b.gives(`update public.orders set status = null where id = 99`)
	b.gives(`update public.orders set status = null where id = 1`,
		`order_updated 1 {"id":1,"status":null,"was":"done"}`)
	b.gives(`update public.orders set status = null where id = 1`)
	// json has no equality operator; the comparison of row images needs none.
	b.gives(`update public.orders set note = '{}' where id = 1`,
		`order_updated 1 {"id":1,"status":null,"was":null}`)
	b.gives(`update public.orders set note = '{}' where id = 1`)
}

func TestDelete(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'new'), (2, 'old')`)
	b.events()
	b.gives(`delete from public.orders`,
		`order_deleted 1 {"id":1,"status":"new","was":"new"}`,
		`order_deleted 2 {"id":2,"status":"old","was":"old"}`)
}

func TestDefaultPayloadIsTheWholeRow(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    on: { insert: created, update: updated, delete: deleted, truncate: as-deletes }
`)
	b.gives(`insert into public.orders values (1, 'new', 9.50, '{"a":1}')`,
		`created 1 {"id":1,"status":"new","total":9.50,"note":{"a":1}}`)
	b.gives(`update public.orders set total = 10`,
		`updated 1 {"id":1,"status":"new","total":10,"note":{"a":1}}`)
	b.gives(`update public.orders set id = 2`,
		`deleted 1 {"id":1,"status":"new","total":10,"note":{"a":1}}`,
		`created 2 {"id":2,"status":"new","total":10,"note":{"a":1}}`)
	b.exec(`alter table public.orders drop column total, add column extra int default 7`)
	b.gives(`truncate public.orders`,
		`deleted 2 {"id":2,"status":"new","note":{"a":1},"extra":7}`)
}

func TestCopy(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	rows := [][]any{{1, "copied"}, {2, "too"}}
	_, err := b.conn.CopyFrom(t.Context(), pgx.Identifier{"public", "orders"}, []string{"id", "status"}, pgx.CopyFromRows(rows))
	if err != nil {
		t.Fatal(err)
	}
	b.wants(`order_created 1 {"id":1,"status":"copied","was":null}`,
		`order_created 2 {"id":2,"status":"too","was":null}`)
}

func TestOnConflict(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'first')`)
	b.events()
	b.gives(`insert into public.orders values (1, 'again'), (2, 'second') on conflict do nothing`,
		`order_created 2 {"id":2,"status":"second","was":null}`)
	b.gives(`insert into public.orders values (1, 'again'), (3, 'third'), (2, 'second')
		on conflict (id) do update set status = excluded.status`,
		`order_updated 1 {"id":1,"status":"again","was":"first"}`,
		`order_created 3 {"id":3,"status":"third","was":null}`)
}

func TestMerge(t *testing.T) {
	atLeast(t, 15)
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'update me'), (2, 'delete me'), (3, 'same')`)
	b.events()
	b.exec(`
		merge into public.orders as t
		using (values (1, 'updated'), (2, null), (3, 'same'), (4, 'inserted')) as s (id, status)
		on t.id = s.id
		when matched and s.status is null then delete
		when matched then update set status = s.status
		when not matched then insert values (s.id, s.status)`)
	b.wantsAnyOrder(`order_created 4 {"id":4,"status":"inserted","was":null}`,
		`order_updated 1 {"id":1,"status":"updated","was":"update me"}`,
		`order_deleted 2 {"id":2,"status":"delete me","was":"delete me"}`)
}

func TestWritesInCTEs(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'old'), (2, 'old')`)
	b.events()
	b.exec(`
		with gone as (delete from public.orders where id = 1 returning *),
			changed as (update public.orders set status = 'new' where id = 2)
		insert into public.orders select id + 10, status from gone`)
	b.wantsAnyOrder(`order_deleted 1 {"id":1,"status":"old","was":"old"}`,
		`order_updated 2 {"id":2,"status":"new","was":"old"}`,
		`order_created 11 {"id":11,"status":"old","was":null}`)
}

func TestTruncate(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1), (2)`)
	b.events()
	b.gives(`truncate public.orders`, `table_truncated - {"table":"public.orders"}`)
}

func TestTruncateAsDeletesAndCascade(t *testing.T) {
	b := watch(t, orders+`
		create table public.items (id int primary key, order_id int references public.orders)`, `
tables:
  - name: public.orders
    on: { delete: order_deleted, truncate: as-deletes }
    payload: { id: n.id, was: o.id }
  - name: public.items
    on: { truncate: items_gone }
`)
	b.exec(`insert into public.orders values (1), (2); insert into public.items values (7, 1)`)
	b.exec(`truncate public.orders cascade`)
	b.wantsAnyOrder(`order_deleted 1 {"id":1,"was":1}`, `order_deleted 2 {"id":2,"was":2}`,
		`items_gone - {"table":"public.items"}`)
}

func TestCascadedDeletes(t *testing.T) {
	b := watch(t, orders+`
		create table public.items (id int primary key, order_id int references public.orders on delete cascade)`, `
tables:
  - name: public.orders
    on: { delete: order_deleted }
    payload: { id: n.id }
  - name: public.items
    on: { delete: item_deleted }
    payload: { id: n.id }
`)
	b.exec(`
		insert into public.orders select generate_series(1, 500);
		insert into public.items select g, (g + 1) / 2 from generate_series(1, 1000) as g;
		delete from public.orders`)
	if got := b.one(`
		select string_agg(format('%s: %s of %s', type, count, keys), ', ' order by type)
		from (
			select type, count(*), count(distinct key) as keys from pgherald.events group by type
		) as counted`); got != "item_deleted: 1000 of 1000, order_deleted: 500 of 500" {
		t.Error(got)
	}
}

func TestRollbackLeavesNothing(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.gives(`
		begin;
		insert into public.orders values (1, 'kept');
		savepoint s;
		insert into public.orders values (2, 'lost');
		rollback to s;
		commit;
		begin;
		insert into public.orders values (3, 'lost');
		rollback`,
		`order_created 1 {"id":1,"status":"kept","was":null}`)
}

func TestSeveralEventsWithConditions(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    payload: { id: n.id, status: n.status }
    audience: array['user:' || n.id]
    on:
      insert: order_created
      update:
        - type: order_paid
          when: n.status = 'paid' and o.status is distinct from 'paid'
          key: "'paid-' || n.id"
          audience: null
          payload: { id: n.id, from: o.status }
        - { type: order_updated, audience: "array['a', null, 'c']" }
`)
	b.gives(`insert into public.orders values (1, 'new')`,
		`order_created 1 {"id":1,"status":"new"} {user:1}`)
	b.gives(`update public.orders set status = 'paid'`,
		`order_paid paid-1 {"id":1,"from":"new"}`,
		`order_updated 1 {"id":1,"status":"paid"} {a,NULL,c}`)
	b.gives(`update public.orders set total = 1`,
		`order_updated 1 {"id":1,"status":"paid"} {a,NULL,c}`)
}

// A null audience in the log means every client. An expression that yields null must deny every client instead.
func TestAudienceExpressionThatYieldsNullDeniesEveryClient(t *testing.T) {
	b := watch(t, orders+`alter table public.orders add who text[]`, `
tables:
  - name: public.orders
    audience: n.who
    payload: { id: n.id }
    on:
      insert: created
      update:
        - type: updated
          audience: (select array_agg('user:' || p.id) from public.orders as p where p.id < 0)
      delete:
        - type: deleted
          audience: |
            case when n.id = 2 then array['*'] end -- for some rows
`)
	b.gives(`insert into public.orders (id, who) values (1, null)`, `created 1 {"id":1} {}`)
	b.gives(`insert into public.orders (id, who) values (2, '{a}')`, `created 2 {"id":2} {a}`)
	b.gives(`update public.orders set who = '{b}' where id = 1`, `updated 1 {"id":1} {}`)
	b.gives(`delete from public.orders where id = 1`, `deleted 1 {"id":1} {}`)
	b.gives(`delete from public.orders`, `deleted 2 {"id":2} {*}`)
}

func TestJoins(t *testing.T) {
	b := watch(t, orders+`
		create table public.customers (id int primary key, name text);
		insert into public.customers values (1, 'Ann')`, `
tables:
  - name: public.orders
    join: public.customers as c on c.id = n.id
    left_join: public.customers as d on d.id = o.id
    payload: { name: c.name, before: d.name }
    on: { insert: created, update: updated }
`)
	b.gives(`insert into public.orders values (1), (2)`, `created 1 {"name":"Ann","before":null}`)
	b.gives(`update public.orders set status = 'x'`, `updated 1 {"name":"Ann","before":"Ann"}`)
}
