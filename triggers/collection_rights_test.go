package triggers_test

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

// TestRightsOfLists looks at what the role of the trigger functions may read of a collection: the columns of its rows, and
// nothing when it is none any more.
func TestRightsOfLists(t *testing.T) {
	t.Parallel()
	b := open(t, `
		create schema kinds;
		create type kinds.mood as enum ('sad', 'ok');
		create schema shop;
		create domain shop.feeling as kinds.mood;
		create table shop.orders (id int primary key, "Total" numeric, feeling shop.feeling, secret text, owner text)`)
	readable := func() string {
		t.Helper()
		return b.one(`
			select string_agg(a.attname, ' ' order by a.attnum)
			from pg_attribute as a
			where a.attrelid = 'shop.orders'::regclass and a.attnum > 0 and has_column_privilege('pgherald_writer', a.attrelid, a.attnum, 'select')`)
	}
	usable := func(schema string) string {
		return b.one(`select has_schema_privilege('pgherald_writer', $1, 'usage')::text`, schema)
	}
	spec := func(fields string) string { return "tables: [{ name: shop.orders, " + fields + " }]" }
	steps := []struct{ fields, readable string }{
		{"columns: { exclude: [secret] }, collection: orders, filter: '*'", "id Total feeling owner"},
		{"columns: { exclude: [secret, owner] }, collection: orders", "id Total feeling"},
		{"collection: orders", "id Total feeling secret owner"},
		{"payload: { total: 'n.\"Total\" + 1' }, audience: 'array[n.owner]', collection: orders, on: { insert: a, update: b, delete: c }", "id Total owner"},
		{"payload: { n: n::text }, collection: orders, on: { insert: a, update: b, delete: c }", "id Total feeling secret owner"},
		{"columns: { exclude: [secret] }, collection: orders", "id Total feeling owner"},
		{"columns: { exclude: [secret] }", "null"},
	}
	for i, step := range steps {
		b.apply(parse(t, spec(step.fields)))
		if got := readable(); got != step.readable {
			t.Errorf("%s: the role may read %s, want %s", step.fields, got, step.readable)
		}
		b.drifts(spec(step.fields))
		if i == 0 && usable("kinds") != "true" {
			t.Error("the role may not use the schema of an enum")
		}
	}
	if _, err := triggers.Apply(t.Context(), b.conn, parse(t, spec(steps[0].fields)), triggers.Force()); err != nil {
		t.Fatal(err)
	}
	b.exec(`revoke select ("Total") on shop.orders from pgherald_writer`)
	if drift := b.check(spec(steps[0].fields)); len(drift) != 1 || !strings.Contains(drift[0].Message, `select ("Total") on table shop.orders`) {
		t.Errorf("drift %v", drift)
	}
	b.apply(parse(t, spec(steps[0].fields)))
	b.drifts(spec(steps[0].fields))
}

// A role that may not let others read a table watches it without a collection, and a server without rights sees the same.
func TestCollectionsOfARoleWithoutGrantOption(t *testing.T) {
	t.Parallel()
	b := open(t, `create table public.orders (id int primary key); create table public.items (id int primary key)`)
	role, server := b.role("applies"), b.role("serves")
	b.exec(`grant pgherald_writer to ` + role + `;
		grant select, trigger on public.orders to ` + role + `; grant select, trigger on public.items to ` + role + ` with grant option;
		grant usage, create on schema pgherald to ` + role + ` with grant option; grant usage on schema pgherald to ` + server + `;
		grant select, insert, update, delete on all tables in schema pgherald to ` + role + `;
		grant select on all tables in schema pgherald to ` + server)
	const tables = `tables: [{ name: "public.*", exclude: ["public.a*"] }]`
	b.become(role)
	var notes []triggers.Note
	if _, err := triggers.Apply(t.Context(), b.conn, parse(t, tables), triggers.Notes(&notes)); err != nil {
		t.Fatal(err)
	}
	if len(notes) != 1 || notes[0].String() != "table public.orders is no collection: this role may not let pgherald_writer read it" {
		t.Errorf("notes %v", notes)
	}
	b.exec(`reset session authorization`)
	b.become(server)
	b.drifts(tables)
	sources, err := triggers.Collections(t.Context(), b.conn, parse(t, tables), triggers.Notes(&notes))
	if err != nil || len(sources) != 1 || sources[0].Name != "items" || len(notes) > 0 {
		t.Errorf("collections %v, %v, notes %v", sources, err, notes)
	}
	b.exec(`reset session authorization`)
}
