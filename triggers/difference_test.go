package triggers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

func (b *testBed) difference(spec triggers.Spec) string {
	b.t.Helper()
	text, err := triggers.Difference(b.t.Context(), b.conn, spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// TestDifference runs what plan prints with psql: after it there is nothing left to do, and it did no more than was due.
func TestDifference(t *testing.T) {
	t.Parallel()
	b := openBare(t, `create table public.a (id int primary key, x int); create table public.b (id int primary key)`)
	first := parse(t, `{ tables: [{ name: public.a }, { name: public.b }] }`)
	b.runScript(b.difference(first))
	if text := b.difference(first); text != "" {
		t.Errorf("after the script there is\n%s", text)
	}
	second := parse(t, `{ tables: [{ name: public.a, payload: { id: n.id } }, { name: public.b }] }`)
	text := b.difference(second)
	contains(t, text, `-- Replace function pgherald."public.a.row".`, "commit;")
	for _, unwanted := range []string{"create trigger", "public.b", "lock table only"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("the script has %q:\n%s", unwanted, text)
		}
	}
	b.runScript(text)
	if text := b.difference(second); text != "" {
		t.Errorf("after the second script there is\n%s", text)
	}
	b.gives(`insert into public.a values (1, 2)`, `a_created 1 {"id":1}`)
}

// catalogSQL is the text of everything in the database that a dump would hold: relations, columns, triggers, functions,
// rights and default rights, and the rows in which pgherald keeps what is installed.
const catalogSQL = `
select string_agg(line, E'\n' order by line)
from (
	-- A right that was given and taken away leaves the default rights written out, which a dump omits.
	select format('class %s %s %s', c.oid::regclass, c.relkind, coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) as line
	from pg_class as c where c.relnamespace::regnamespace::text !~ '^pg_'
	union all
	select format('trigger %s %s', t.tgrelid::regclass, pg_get_triggerdef(t.oid)) from pg_trigger as t where not t.tgisinternal
	union all
	select format('function %s %s %s %s', p.oid::regprocedure, md5(p.prosrc), p.proowner, p.proacl)
	from pg_proc as p where p.pronamespace::regnamespace::text !~ '^(pg_|information)'
	union all
	select format('schema %s %s', s.nspname, coalesce(s.nspacl, acldefault('n', s.nspowner))) from pg_namespace as s where s.nspname !~ '^pg_'
	union all
	select format('column %s.%s %s %s', a.attrelid::regclass, a.attname, a.atttypid::regtype, a.attacl)
	from pg_attribute as a join pg_class as c on c.oid = a.attrelid where c.relnamespace::regnamespace::text !~ '^(pg_|information)'
	union all
	select format('role %s %s', m.roleid::regrole, m.member::regrole) from pg_auth_members as m
	union all
	select format('spec %s', n.name) from pgherald.specs as n
	union all
	select format('function of %s', o.name) from pgherald.trigger_functions as o
	union all
	select format('grant %s', g.object) from pgherald.grants as g
	union all
	select format('filter field %s', f.field) from pgherald.filter_fields as f
) as all_of_it`

// TestDropLeavesTheCatalog compares the catalog before apply and after drop.
func TestDropLeavesTheCatalog(t *testing.T) {
	t.Parallel()
	b := openBare(t, everyKind+`
create type public.mood as enum ('good');
create table public.moods (id int primary key, mood public.mood);`)
	before := b.one(catalogSQL)
	spec := choose(t, "*", "!public.kinds*")
	b.apply(spec)
	if b.one(catalogSQL) == before {
		t.Fatal("apply changed nothing")
	}
	if _, err := triggers.Drop(t.Context(), b.conn, spec); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(b.one(catalogSQL), "\n")); diff != "" {
		t.Errorf("catalog (-before apply +after drop):\n%s", diff)
	}
}
