package triggers_test

import "testing"

func TestKeyChange(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (1, 'a'), (2, 'b'), (3, 'c')`)
	b.events()
	b.gives(`update public.orders set id = 9, status = 'z' where id = 1`,
		`order_deleted 1 {"id":1,"status":"a","was":"a"}`,
		`order_created 9 {"id":9,"status":"z","was":null}`)
}

// A key that one row leaves and another one takes in the same statement is deleted before it is created.
func TestKeyShift(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`insert into public.orders values (3, 'c'), (2, 'b'), (1, 'a')`)
	b.events()
	b.gives(`update public.orders set id = id + 1`,
		`order_deleted 3 {"id":3,"status":"c","was":"c"}`, `order_created 4 {"id":4,"status":"c","was":null}`,
		`order_deleted 2 {"id":2,"status":"b","was":"b"}`, `order_created 3 {"id":3,"status":"b","was":null}`,
		`order_deleted 1 {"id":1,"status":"a","was":"a"}`, `order_created 2 {"id":2,"status":"a","was":null}`)
}

// A key that has become nullable since the last apply is drift. Until then no update is dropped.
func TestKeyThatBecameNull(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table public.orders drop constraint orders_pkey; alter table public.orders alter id drop not null;
		insert into public.orders values (1, 'a')`)
	b.events()
	b.gives(`update public.orders set id = null`,
		`order_deleted 1 {"id":1,"status":"a","was":"a"}`, `order_created - {"id":null,"status":"a","was":null}`)
	b.gives(`update public.orders set status = 'b'`,
		`order_deleted - {"id":null,"status":"a","was":"a"}`, `order_created - {"id":null,"status":"b","was":null}`)
	b.gives(`update public.orders set id = 2`,
		`order_deleted - {"id":null,"status":"b","was":"b"}`, `order_created 2 {"id":2,"status":"b","was":null}`)
}

func TestKeyChangeWithoutInsertAndDeleteEvents(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    payload: { id: n.id, was: o.id }
    on: { update: order_updated }
`)
	b.exec(`insert into public.orders values (1)`)
	b.gives(`update public.orders set id = 2`, `order_updated 2 {"id":2,"was":null}`)
	b.gives(`update public.orders set status = 'x'`, `order_updated 2 {"id":2,"was":2}`)
}

func TestCompositeKey(t *testing.T) {
	const ddl = `create table public.lines (pos text, order_id int, qty int, primary key (order_id, pos))`
	b := watch(t, ddl, `
tables:
  - name: public.lines
    payload: { qty: n.qty, was: o.qty }
    on: { insert: created, update: updated, delete: deleted }
`)
	b.gives(`insert into public.lines values ('a', 1, 5), ('b"', 1, 6)`,
		`created [1, "a"] {"qty":5,"was":null}`, `created [1, "b\""] {"qty":6,"was":null}`)
	b.gives(`update public.lines set qty = qty + 1 where pos = 'a'`, `updated [1, "a"] {"qty":6,"was":5}`)
	b.gives(`update public.lines set pos = 'c' where pos = 'a'`,
		`deleted [1, "a"] {"qty":6,"was":6}`, `created [1, "c"] {"qty":6,"was":null}`)
}

func TestKeyFromAnotherUniqueIndex(t *testing.T) {
	const ddl = `create table public.users (id int primary key, "E Mail" text not null unique, age int)`
	b := watch(t, ddl, `
tables:
  - name: public.users
    key: E Mail
    payload: { age: n.age }
    on: { insert: created, update: updated }
`)
	b.gives(`insert into public.users values (1, 'a@b', 5)`, `created a@b {"age":5}`)
	b.gives(`update public.users set id = 2`, `updated a@b {"age":5}`)
}

// The equality operator of the key's type may be outside the trigger's search path.
func TestKeyOfAnExtensionsType(t *testing.T) {
	b := open(t, orders)
	if b.one(`select count(*) from pg_available_extensions where name = 'citext'`) == "0" {
		t.Skip("needs the extension citext")
	}
	b.exec(`create extension citext; create table public.tags (name citext primary key, n int)`)
	b.apply(parse(t, `
tables:
  - name: public.tags
    payload: { n: n.n, was: o.n }
    on: { insert: created, update: updated, delete: deleted }
`))
	b.gives(`insert into public.tags values ('Go', 1)`, `created Go {"n":1,"was":null}`)
	// citext finds the two texts equal, but clients do not.
	b.gives(`update public.tags set name = 'GO', n = 2`,
		`deleted Go {"n":1,"was":1}`, `created GO {"n":2,"was":null}`)
	b.gives(`update public.tags set name = 'GO', n = 3`, `updated GO {"n":3,"was":2}`)
}

func TestUnusableKeysAreRefused(t *testing.T) {
	b := open(t, `
		create table public.bare (id int);
		create table public.late (id int primary key deferrable);
		create table public.partial (id int not null);
		create unique index on public.partial (id) where id > 0;
		create table public.nullable (id int unique);
		create table public.half (a int, b int, primary key (a, b));`)
	for table, want := range map[string]string{
		"bare }":              "table public.bare: it has no primary key",
		"bare, key: nope }":   "table public.bare: key (nope) needs a unique index",
		"late }":              "table public.late: it has no primary key (or a deferrable one)",
		"partial, key: id }":  "table public.partial: key (id) needs a unique index",
		"nullable, key: id }": "table public.nullable: key column id must be NOT NULL",
		"half, key: a }":      "table public.half: key (a) needs a unique index",
		"half, key: [a, a] }": "table public.half: key (a, a) needs a unique index",
	} {
		b.refuses("tables: [{ on: { insert: created, update: updated }, name: public."+table+"]", want)
	}
}
