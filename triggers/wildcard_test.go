package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

// choose returns the spec of --tables.
func choose(t testing.TB, names ...string) triggers.Spec {
	t.Helper()
	spec, err := triggers.Choose(names)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// openBare returns a database without the tables of the example.
func openBare(t testing.TB, ddl string) *testBed {
	t.Helper()
	return open(t, "drop table public.activity_updates, public.assignments, public.activities cascade;\n"+ddl)
}

// applyNotes applies a spec and returns its notes, one line each.
func (b *testBed) applyNotes(spec triggers.Spec) []string {
	b.t.Helper()
	var notes []triggers.Note
	if _, err := triggers.Apply(b.t.Context(), b.conn, spec, triggers.Notes(&notes)); err != nil {
		b.t.Fatal(err)
	}
	var lines []string
	for _, n := range notes {
		lines = append(lines, n.String())
	}
	return lines
}

// watchedTables returns the tables that have triggers.
func (b *testBed) watchedTables() []string {
	b.t.Helper()
	list, err := triggers.List(b.t.Context(), b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, w := range list {
		names = append(names, w.Table.String())
	}
	return names
}

const everyKind = `
create schema sales;
create table public.orders (id int primary key, status text);
create table sales.orders (id int primary key, note text);
create table public.users (id int primary key, name text, password_hash text, "apiKey" text);
create table public.sessions (token text primary key);
create table public.coupons (code text not null unique, secret text primary key);
create table public.log_lines (line text);
create table public.parent (id int primary key);
create table public.child () inherits (public.parent);
create table public.parts (id int primary key) partition by range (id);
create table public.parts_1 partition of public.parts for values from (0) to (10);
create table public.private (id int primary key);
alter table public.private enable row level security;
create table public."Order Items" (id int primary key);
create table public.twofold (primary key (id)) inherits (public.parent, public."Order Items");
create view public.seen as select 1 as id;
create materialized view public.kept as select 1 as id;
create temporary table gone (id int primary key);
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create foreign table public.far (id int) server nowhere;
create table public.near (id int) partition by range (id);
create foreign table public.near_1 partition of public.near for values from (0) to (10) server nowhere;
`

// TestAllTables watches a database whole, and says what it leaves out.
func TestAllTables(t *testing.T) {
	t.Parallel()
	b := openBare(t, everyKind)
	want := []string{
		"table public.coupons has the key (code), from a unique index: it has no primary key that can be shown",
		"table public.coupons keeps secret out of its events: the name looks sensitive",
		"table public.log_lines is watched for inserts only, without keys: it has neither a primary key nor a unique index without nulls",
		"table public.near is not watched: its child public.near_1 is a foreign table, whose rows change without triggers",
		"table public.private is not watched: it has row-level security, which does not apply to events: give it an audience in a spec",
		"table public.sessions is not watched: its key (token) looks sensitive, and every event shows the key: list the table in a spec, with columns: { include: [token] }",
		`table public.users keeps password_hash, "apiKey" out of its events: the name looks sensitive`,
		`table public.twofold inherits from several watched tables (public.parent, public."Order Items"): it has events of its own, and their lists and events leave out its rows`,
	}
	if diff := cmp.Diff(want, b.applyNotes(choose(t, "*"))); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	tables := []string{
		`public."Order Items"`, "public.child", "public.coupons", "public.log_lines", "public.orders", "public.parent", "public.parts",
		"public.parts_1", "public.twofold", "public.users", "sales.orders",
	}
	if diff := cmp.Diff(tables, b.watchedTables()); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
	b.gives(`insert into public.orders values (1, 'open')`, `orders_created 1 {"id":1,"status":"open"}`)
	b.gives(`insert into sales.orders values (2, 'x')`, `sales.orders_created 2 {"id":2,"note":"x"}`)
	b.gives(`insert into public.users values (3, 'Ann', 'x', 'y')`, `users_created 3 {"id":3,"name":"Ann"}`)
	b.gives(`update public.users set password_hash = 'z'`, `users_updated 3 {"id":3,"name":"Ann"}`)
	b.gives(`insert into public.log_lines values ('a')`, `log_lines_created - {"line":"a"}`)
	b.gives(`update public.log_lines set line = 'b'; delete from public.log_lines`)
	b.gives(`insert into public.coupons values ('c', 's')`, `coupons_created c {"code":"c"}`)
	b.gives(`insert into public.child values (4)`, `parent_created 4 {"id":4}`)
	b.gives(`insert into public.twofold values (7)`, `twofold_created 7 {"id":7}`)
	b.gives(`insert into public.parts values (5)`, `parts_created 5 {"id":5}`)
	b.gives(`insert into public."Order Items" values (6)`, `order_items_created 6 {"id":6}`)
	b.gives(`delete from public.orders`, `orders_deleted 1 {"id":1,"status":"open"}`)
	if changes := b.apply(choose(t, "*")); len(changes) > 0 {
		t.Errorf("a second apply changed %v", changes)
	}
	var notes []triggers.Note
	sources, err := triggers.Describe(t.Context(), b.conn, choose(t, "public.log_lines"), triggers.Notes(&notes))
	if err != nil || len(sources) > 0 || len(notes) != 1 || notes[0].String() != want[2] {
		t.Errorf("Describe: %v, %v, %v, want no collection, and why", sources, notes, err)
	}
}

// TestLaterTable creates a table that matches: check reports it, apply watches it, and its end makes the spec no older one.
func TestLaterTable(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.a (id int primary key)`)
	spec := choose(t, "public.*")
	b.apply(spec)
	inspector := triggers.NewInspector(spec)
	inspect := func() []string {
		found, err := inspector.Inspect(t.Context(), b.conn)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Reset) > 0 {
			t.Errorf("clients load %v again", found.Reset)
		}
		var kinds []string
		for _, d := range found.Drift {
			kinds = append(kinds, string(d.Kind)+" "+d.Message)
		}
		return kinds
	}
	if found := inspect(); len(found) > 0 {
		t.Errorf("at first there is the drift %v", found)
	}
	b.exec(`create table public.b (id int primary key)`)
	if diff := cmp.Diff([]string{"new table public.b matches public.* and is not watched yet"}, inspect()); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	b.apply(spec)
	b.gives(`insert into public.b values (1)`, `b_created 1 {"id":1}`)
	if found := inspect(); len(found) > 0 {
		t.Errorf("after apply there is the drift %v", found)
	}
	b.exec(`drop table public.b`)
	b.apply(spec)
	if found := inspect(); len(found) > 0 {
		t.Errorf("after the table is gone there is the drift %v", found)
	}
}

// TestMatchesNothing names what matches nothing: a misspelt exclusion would show what it should hide.
func TestMatchesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, `create table public.orders (id int primary key, note text)`)
	b.refuses("tables: [{ name: sales.* }]", "sales.* matches no table that can be watched")
	b.refuses("tables: [{ name: public.*, exclude: public.secert }]", "public.* excludes public.secert, and there is no such table")
	b.refuses("tables: [{ name: public.*, columns: { exclude: nota } }]", "tables public.*, columns: there is no column nota")
	b.refuses("tables: [{ name: public.orders, columns: { exclude: [nota] } }]", "table public.orders: columns: there is no column nota")
	b.refuses("tables: [{ name: public.orders, columns: { exclude: ['*'] } }]", "no column is left")
	b.refuses("tables: [{ name: public.none }]", `table public."none": it does not exist`)
	if list := b.watchedTables(); len(list) > 0 {
		t.Errorf("%v are watched", list)
	}
	for _, names := range [][]string{{"sales.*"}, {"*", "!public.secert"}} {
		if _, err := triggers.Apply(t.Context(), b.conn, choose(t, names...), triggers.Partial()); err == nil {
			t.Errorf("%v: a first start succeeded", names)
		}
	}
}

// TestColumns chooses columns of a table and of a pattern.
func TestColumns(t *testing.T) {
	t.Parallel()
	b := openBare(t, `
create table public.a (id int primary key, x int, token text, secret text);
create table public.b (id int primary key, x int, y int);`)
	b.apply(parse(t, `
tables:
  - name: public.b
    columns: { exclude: ["*"], include: [id, y] }
    on: { insert: made }
  - name: public.*
    columns: { exclude: x, include: [token] }
    on: { insert: "{table}.new", delete: { type: "{table}.gone", payload: { was: n.x } } }
`))
	b.gives(`insert into public.a values (1, 2, 't', 's')`, `a.new 1 {"id":1,"token":"t"}`)
	b.gives(`update public.a set x = 3; delete from public.a`, `a.gone 1 {"was":3}`)
	b.gives(`insert into public.b values (1, 2, 3)`, `made 1 {"id":1,"y":3}`)
}

// TestReservedName watches a table for which the default types would be the stream's own.
func TestReservedName(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.presence (id int primary key)`)
	b.apply(choose(t, "*"))
	b.gives(`insert into public.presence values (1)`, `public.presence_created 1 {"id":1}`)
}

// TestTablesOfOthers skips what other specs watch and what the role may not watch.
func TestTablesOfOthers(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.a (id int primary key); create table public.b (id int primary key); create table public.c (id int primary key)`)
	b.apply(parse(t, "{ name: other, tables: [{ name: public.a }] }"))
	notes := b.applyNotes(choose(t, "*", "!public.c"))
	if len(notes) != 1 || !strings.Contains(notes[0], "table public.a is not watched: table public.a of spec default is watched by spec other") {
		t.Errorf("notes %v", notes)
	}
	if got := b.watchedTables(); !slices.Equal(got, []string{"public.a", "public.b"}) {
		t.Errorf("watched %v", got)
	}
	b.gives(`insert into public.a values (1); insert into public.b values (2)`, `a_created 1 {"id":1}`, `b_created 2 {"id":2}`)
}
