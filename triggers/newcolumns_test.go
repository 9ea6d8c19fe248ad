package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// everyForm has a plain table, a partitioned one, one with a child, and one that is no collection.
const everyForm = `
create table public.plain (id int primary key, name text);
create table public.parts (id int primary key, name text) partition by range (id);
create table public.parts_1 partition of public.parts for values from (0) to (10);
create table public.parent (id int primary key, name text);
create table public.child (extra int) inherits (public.parent);
create table public.lines (name text);
`

// grow adds a column to the tables of everyForm, and writes to them.
func (b *testBed) grow(column string) {
	b.t.Helper()
	for _, table := range []string{"plain", "parts", "parent", "lines"} {
		b.exec(`alter table public.` + table + ` add column ` + column)
	}
	b.exec(`
insert into public.plain values (1); update public.plain set name = 'a'; delete from public.plain;
insert into public.parts values (1); update public.parts set name = 'a'; delete from public.parts;
insert into public.parent values (1); update public.parent set name = 'a'; delete from public.parent;
insert into public.child values (2); update public.child set name = 'a', extra = 3; delete from public.child;
insert into public.lines values ('a');`)
}

// inspect returns the drift that a server finds. It fails the test if clients must load a table again.
func (b *testBed) inspectGrowth(spec triggers.Spec) []triggers.Drift {
	b.t.Helper()
	found, err := triggers.NewInspector(spec).Inspect(b.t.Context(), b.conn)
	if err != nil || len(found.Reset) > 0 {
		b.t.Errorf("reset of %v, %v", found.Reset, err)
	}
	return found.Drift
}

// fields returns the fields of the served collections and their filters.
func (b *testBed) fields(spec triggers.Spec) map[string][]string {
	b.t.Helper()
	var notes []triggers.Note
	sources, err := triggers.Collections(b.t.Context(), b.conn, spec, triggers.Notes(&notes))
	if err != nil || len(notes) > 0 {
		b.t.Fatalf("%v, notes %v", err, notes)
	}
	fields := map[string][]string{}
	for _, s := range sources {
		if s.IsWholeRow {
			b.t.Errorf("a list of %s shows every column", s.Name)
		}
		for _, f := range s.Fields {
			text := f.Name
			if f.Filter != "" {
				text += " " + string(f.Filter)
			}
			fields[s.Name] = append(fields[s.Name], text)
		}
	}
	return fields
}

// A column that looks sensitive and that is added to a watched table is never in the log, nor in a list.
func TestAddedSensitiveColumn(t *testing.T) {
	t.Parallel()
	specs := map[string]func(*testBed) triggers.Spec{
		"tables":  func(b *testBed) triggers.Spec { return choose(b.t, "*") },
		"pattern": func(b *testBed) triggers.Spec { return parse(b.t, `tables: [{ name: "public.*" }]`) },
		"exclude": func(b *testBed) triggers.Spec {
			return parse(b.t, `tables: [{ name: "public.*", columns: { exclude: "api_*", sensitive: true } }]`)
		},
		"listed": func(b *testBed) triggers.Spec {
			return parse(b.t, `tables: [{ name: "public.*", exclude: public.plain }, { name: public.plain, collection: plain, columns: { sensitive: false }, filter: "*" }]`)
		},
		"init": func(b *testBed) triggers.Spec {
			spec, notes, err := triggers.Expand(b.t.Context(), b.conn, choose(b.t, "*"))
			if err != nil {
				b.t.Fatal(err)
			}
			return parse(b.t, string(triggers.Render(spec, notes)))
		},
		"bigint": func(b *testBed) triggers.Spec { return parse(b.t, `{ bigint: text, tables: [{ name: "public.*" }] }`) },
	}
	for name, makeSpec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := openBare(t, everyForm)
			spec := makeSpec(b)
			b.apply(spec)
			before := b.fields(spec)
			b.grow(`api_token text default 'hush'`)
			b.exec(`alter table public.child add column secret text default 'hush'; insert into public.child values (3)`)
			if drift := b.inspectGrowth(spec); len(drift) > 0 {
				t.Errorf("drift %v", drift)
			}
			if changes := b.apply(spec); len(changes) > 0 {
				t.Errorf("changes %v", changes)
			}
			b.exec(`insert into public.plain values (4); insert into public.parts values (4); insert into public.child values (4); insert into public.lines values ('b')`)
			events := b.events()
			if len(events) != 18 {
				t.Errorf("%d events", len(events))
			}
			if text := strings.Join(events, "\n"); strings.Contains(text, "hush") || strings.Contains(text, "api_token") || strings.Contains(text, "secret") {
				t.Errorf("the log has\n%s", text)
			}
			if n := b.one(`select count(*) from pgherald.events as e where e::text like any (array['%hush%', '%token%', '%secret%'])`); n != "0" {
				t.Errorf("%s rows of the log have it", n)
			}
			if diff := cmp.Diff(before, b.fields(spec)); diff != "" {
				t.Errorf("fields (-before +after):\n%s", diff)
			}
		})
	}
}

// A column that is added beside ones that are left out is no reason to load a table again. Events and lists lack it alike
// until the next apply.
func TestAddedHarmlessColumn(t *testing.T) {
	t.Parallel()
	b := openBare(t, everyForm)
	spec := choose(t, "*")
	b.apply(spec)
	before := b.fields(spec)
	b.grow(`due date default '2026-01-02', add column token text`)
	if text := strings.Join(b.events(), "\n"); strings.Contains(text, "due") {
		t.Errorf("before the apply the log has\n%s", text)
	}
	var drift []string
	for _, d := range b.inspectGrowth(spec) {
		drift = append(drift, string(d.Kind)+" "+d.String())
	}
	slices.Sort(drift)
	var want []string
	for _, table := range []string{"lines", "parent", "parts", "plain"} {
		want = append(want, "new_columns the events of public."+table+" lack its new columns due; run `pgherald apply`")
	}
	if diff := cmp.Diff(want, drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, b.fields(spec)); diff != "" {
		t.Errorf("fields before the apply (-before +after):\n%s", diff)
	}
	// An update may have filled the columns before, which no event shows.
	const resets = `select coalesce(string_agg(e.data->>'table', ' ' order by e.data->>'table'), 'none') from pgherald.events as e where e.type = 'collection_reset'`
	if got := b.one(resets); got != "none" {
		t.Errorf("resets before the apply: %s", got)
	}
	b.apply(spec)
	if got := b.one(resets); got != "public.lines public.parent public.parts public.plain" {
		t.Errorf("resets: %s", got)
	}
	b.events()
	if drift := b.inspectGrowth(spec); len(drift) > 0 {
		t.Errorf("drift after the apply %v", drift)
	}
	for name := range before {
		before[name] = append(before[name], "due "+string(collection.Date))
	}
	if diff := cmp.Diff(before, b.fields(spec)); diff != "" {
		t.Errorf("fields after the apply (-want +got):\n%s", diff)
	}
	b.gives(`insert into public.plain values (1)`, `plain_created 1 {"id":1,"name":null,"due":"2026-01-02"}`)
	b.gives(`insert into public.child (id) values (1)`, `parent_created 1 {"id":1,"name":null,"due":"2026-01-02"}`)
	b.gives(`insert into public.parts values (1)`, `parts_created 1 {"id":1,"name":null,"due":"2026-01-02"}`)
	b.gives(`insert into public.lines values ('a')`, `lines_created - {"name":"a","due":"2026-01-02"}`)
}

// A difference beside the added column is drift as ever.
func TestAddedColumnAndEditedFunction(t *testing.T) {
	t.Parallel()
	b := openBare(t, everyForm)
	spec := choose(t, "public.plain")
	b.apply(spec)
	b.exec(`alter table public.plain add column due date`)
	b.exec(`do $$ declare body text = (select pg_get_functiondef(p.oid) from pg_proc as p where p.pronamespace = 'pgherald'::regnamespace and p.proname = 'public.plain.row');
		begin execute replace(body, 'plain_created', 'plain_made'); end $$`)
	found, err := triggers.NewInspector(spec).Inspect(t.Context(), b.conn)
	if err != nil || len(found.Reset) != 1 || len(found.Drift) == 0 || found.Drift[0].Kind != triggers.KindDiffers {
		t.Errorf("%+v, %v", found, err)
	}
}
