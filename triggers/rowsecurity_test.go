package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

const shop = `
	create table public.clients (id int primary key, name text);
	create table public.orders (id int primary key, client int);
	insert into public.clients values (1, 'Ann');`

// A role that is no superuser applies and owns the functions, as where the migrations could not create one.
func (b *testBed) ownAsGuest(tables ...string) string {
	b.t.Helper()
	owner := b.role("owner")
	b.withoutWriter()
	b.exec(`alter schema pgherald owner to ` + owner + `; alter table pgherald.locks owner to ` + owner)
	for _, table := range append([]string{"pgherald.events", "pgherald.log", "pgherald.drift", "pgherald.since_crash", "pgherald.specs", "pgherald.trigger_functions", "pgherald.filter_fields", "pgherald.held_resets", "pgherald.owed_resets"}, tables...) {
		b.exec(`alter table ` + table + ` owner to ` + owner)
	}
	b.exec(`alter function pgherald.wake owner to ` + owner + `; alter function pgherald.reset_collection owner to ` + owner)
	return owner
}

// Row-level security that hides rows from the functions makes events vanish without an error.
func TestHiddenRowsAreRefused(t *testing.T) {
	const join = `
tables:
  - name: public.orders
    join: public.clients as c on c.id = n.client
    payload: { id: n.id, name: c.name }
    on: { insert: created }
`
	for name, c := range map[string]struct {
		rls, spec string
		want      []string
	}{
		"join": {
			`alter table public.clients enable row level security, force row level security`, join,
			[]string{"table public.orders: row-level security of public.clients hides rows from", "the join with it would drop events", "bypassrls"},
		},
		"quoted join": {
			`alter table public."Cli.ents" enable row level security, force row level security`,
			strings.ReplaceAll(join, "public.clients", `public."Cli.ents"`),
			[]string{`row-level security of public."Cli.ents" hides rows from`},
		},
		"join of a subquery": {
			`alter table public.clients enable row level security, force row level security`,
			strings.ReplaceAll(join, "public.clients as c", "(select * from public.clients) as c"),
			[]string{"row-level security hides rows from", `row-level security policy for table "clients"`},
		},
		"subquery in a payload": {
			`alter table public.clients enable row level security, force row level security`, `
tables:
  - name: public.orders
    payload: { name: (select c.name from public.clients as c where c.id = n.client) }
    on: { insert: created }
`,
			[]string{`table public.orders: row-level security hides rows from`, `row-level security policy for table "clients"`},
		},
		"subquery in an audience": {
			`alter table public.clients enable row level security, force row level security`, `
tables:
  - name: public.orders
    audience: array(SELECT c.name from public.clients as c where c.id = n.client)
    on: { insert: created }
`,
			[]string{`row-level security policy for table "clients"`},
		},
		"collection": {
			`alter table public.orders enable row level security, force row level security`, `
tables:
  - { name: public.orders, collection: orders, audience: "array['*']" }
`,
			[]string{"row-level security of public.orders hides rows from", "lists of the collection would miss rows"},
		},
		"truncate as deletes": {
			`alter table public.orders enable row level security, force row level security`, `
tables:
  - name: public.orders
    audience: array['*']
    on: { delete: deleted, truncate: as-deletes }
`,
			[]string{"table public.orders: row-level security of public.orders hides rows from", "truncate: as-deletes would miss deletes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, shop+`create table public."Cli.ents" (id int primary key, name text);`)
			b.become(b.ownAsGuest("public.orders", "public.clients", `public."Cli.ents"`))
			b.exec(c.rls)
			b.refuses(c.spec, c.want...)
			if got := b.check(c.spec); !slices.ContainsFunc(got, func(d triggers.Drift) bool { return d.Kind == triggers.KindRowSecurity }) {
				t.Errorf("check found %v", got)
			}
			b.exec(strings.NewReplacer("enable row", "disable row", "force row", "no force row").Replace(c.rls))
			b.apply(parse(t, c.spec))
			b.drifts(c.spec)
		})
	}
}

// The owner of a table sees its rows unless row-level security is forced, and so does a superuser in any case.
func TestRowSecurityThatDoesNotApplyIsAccepted(t *testing.T) {
	const spec = `
tables:
  - name: public.orders
    join: public.clients as c on c.id = n.client
    audience: array[c.name]
    on: { insert: created }
`
	b := open(t, shop)
	b.exec(`alter table public.clients enable row level security, force row level security; alter table public.orders enable row level security`)
	b.apply(parse(t, spec))
	b.drifts(spec)
	owner := b.ownAsGuest("public.orders", "public.clients")
	b.exec(`alter table public.clients no force row level security`)
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Fatal(err)
	}
	b.become(owner)
	b.apply(parse(t, spec))
	b.drifts(spec)
	b.wants(`collection_reset - {"table":"public.orders","reason":"triggers"}`) // since the drop
	b.gives(`insert into public.orders values (1, 1)`, `created 1 {"id":1,"client":1} {Ann}`)
}

// Policies hide rows from readers, and events without an audience show them.
func TestRowSecurityWithoutAudienceIsAWarning(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	b.exec(`alter table public.orders enable row level security`)
	got := b.check(ordersSpec)
	if len(got) != 1 || got[0].Kind != triggers.KindNoAudience || !got[0].Kind.IsWarning() {
		t.Fatalf("check found %v", got)
	}
	contains(t, got[0].String(), "table public.orders has row-level security", "every client receives order_created, order_updated, order_deleted", "array['*']")
	public := ordersSpec + `    audience: array['*']`
	b.apply(parse(t, public))
	b.drifts(public)
}

// Policies that come after the installation make the functions fail, and so give a collection_reset. Without the
// setting, they would make events vanish.
func TestRowSecurityThatComesLater(t *testing.T) {
	for name, spec := range map[string]string{
		"join": `
tables:
  - name: public.orders
    join: public.clients as c on c.id = n.client
    payload: { id: n.id, name: c.name }
    on: { insert: created }
`,
		"subquery": `
tables:
  - name: public.orders
    payload: { name: (select c.name from public.clients as c where c.id = n.client) }
    on: { insert: created }
`,
		"function": `
tables:
  - name: public.orders
    payload: { name: public.name_of(n.client) }
    on: { insert: created }
`,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, shop)
			owner := b.ownAsGuest("public.orders", "public.clients")
			b.exec(`create function public.name_of(client int) returns text language sql stable
				as 'select c.name from public.clients as c where c.id = name_of.client'`)
			b.become(owner)
			b.apply(parse(t, spec))
			b.exec(`alter table public.clients enable row level security, force row level security`)
			b.gives(`insert into public.orders values (1, 1)`, `collection_reset - {"table":"public.orders","key":"1","reason":"expression","sqlstate":"42501"}`)
		})
	}
}

// A table that would be a collection by default is watched without it where lists would miss rows.
func TestHiddenRowsOfAnOfferedCollection(t *testing.T) {
	t.Parallel()
	b := open(t, shop)
	owner := b.ownAsGuest("public.orders", "public.clients", "pgherald.grants")
	b.exec(`alter table public.orders enable row level security, force row level security`)
	b.become(owner)
	spec := parse(t, `tables: [{ name: "public.*", exclude: ["public.a*"], audience: "array['*']" }]`)
	var notes []triggers.Note
	if _, err := triggers.Apply(t.Context(), b.conn, spec, triggers.Notes(&notes)); err != nil {
		t.Fatal(err)
	}
	sources, err := triggers.Collections(t.Context(), b.conn, spec)
	if err != nil || len(sources) != 1 || sources[0].Name != "clients" {
		t.Errorf("collections %v, %v", sources, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0].String(), "public.orders is no collection: row-level security hides its rows") {
		t.Errorf("notes %v", notes)
	}
	b.exec(`reset session authorization`)
	b.gives(`insert into public.orders values (1, 1)`, `orders_created 1 {"id":1,"client":1} {*}`)
}
