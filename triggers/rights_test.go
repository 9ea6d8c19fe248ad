package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

// app is a schema that no other role may use, with a join, a function, an operator and types of its own.
const app = `
	create schema app;
	create table app.clients (id int primary key, name text);
	insert into app.clients values (1, 'Ann');
	create table app."Odd ""names"".x" (id int primary key);
	create type app.mood as enum ('good');
	create function app.double(int) returns int language sql as 'select $1 * 2';
	create function app.near(int, int) returns boolean language sql as 'select $1 = $2';
	create operator app.~=~ (leftarg = int, rightarg = int, function = app.near);
	create table app.orders (id int primary key, client int, mood app.mood);
	revoke execute on all functions in schema app from public`

const appSpec = `
tables:
  - name: app.orders
    join: app.clients as c on c.id = n.client
    payload: { id: n.id, name: c.name, double: app.double(n.id), near: "n.id operator(app.~=~) 1", odd: '(select count(*) from app."Odd ""names"".x")' }
    audience: array[n.mood::app.mood::text]
    on: { insert: created, delete: deleted, truncate: as-deletes }
`

// writerRights lists the rights of the role of the trigger functions outside our schema.
const writerRights = `
	select string_agg(x, '; ' order by x) from (
		select 'usage on ' || nspname as x from pg_namespace, aclexplode(nspacl) as a where a.grantee = 'pgherald_writer'::regrole and nspname not in ('pgherald', $1)
		union all
		select lower(a.privilege_type) || ' on ' || c.oid::regclass from pg_class as c, aclexplode(c.relacl) as a
		where a.grantee = 'pgherald_writer'::regrole and c.relnamespace <> 'pgherald'::regnamespace
		union all
		select 'execute on ' || p.oid::regprocedure from pg_proc as p, aclexplode(p.proacl) as a
		where a.grantee = 'pgherald_writer'::regrole and p.pronamespace <> 'pgherald'::regnamespace and p.proowner <> a.grantee
	) as all_rights`

func (b *testBed) wantRights(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(strings.Join(want, "; "), b.one(`select coalesce((`+writerRights+`), '')`, "")); diff != "" {
		b.t.Errorf("rights (-want +got):\n%s", diff)
	}
}

var appRights = []string{
	`execute on app.double(integer)`, `execute on app.near(integer,integer)`, `select on app."Odd ""names"".x"`, `select on app.clients`,
	`select on app.orders`, `usage on app`,
}

// Apply gives the owner of the functions what the expressions need, and takes it back.
func TestApplyGrantsWhatExpressionsNeed(t *testing.T) {
	b := watch(t, app, appSpec)
	b.wantRights(appRights...)
	b.drifts(appSpec)
	b.gives(`insert into app.orders values (1, 1, 'good')`, `created 1 {"id":1,"name":"Ann","double":2,"near":true,"odd":0} {good}`)
	b.gives(`truncate app.orders`, `deleted 1 {"id":1,"name":"Ann","double":2,"near":true,"odd":0} {good}`)

	b.exec(`revoke select on app.clients from pgherald_writer`)
	b.drifts(appSpec, `pgherald_writer lacks a right that function pgherald."app.orders.row" needs: select on table app.clients`)
	b.apply(parse(t, appSpec))
	b.wantRights(appRights...)

	const less = `tables: [{name: app.orders, on: {insert: created}}]`
	b.apply(parse(t, less))
	b.wantRights(`usage on app`)
	b.events() // that the clients load the table again
	b.gives(`insert into app.orders values (2, 1, 'good')`, `created 2 {"id":2,"client":1,"mood":"good"}`)
	b.apply(parse(t, "version: 2\n"+appSpec))
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Fatal(err)
	}
	b.wantRights()
	if n := b.one(`select count(*)::text || $1 from pgherald.grants`, ""); n != "0" {
		t.Errorf("%s rows remain in pgherald.grants", n)
	}
}

// A dropped object needs no right, and prevents nothing.
func TestDropAfterTheObjects(t *testing.T) {
	b := watch(t, app, appSpec)
	b.exec(`drop table app.clients; drop function app.near cascade`)
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Fatal(err)
	}
	b.wantRights()
}

// The script gives the same rights.
func TestScriptGrantsWhatExpressionsNeed(t *testing.T) {
	b := open(t, app)
	script, err := triggers.SQL(t.Context(), b.conn, parse(t, appSpec))
	if err != nil {
		t.Fatal(err)
	}
	b.wantRights()
	b.exec(script)
	b.exec(script)
	b.wantRights(appRights...)
	b.drifts(appSpec)
	b.gives(`insert into app.orders values (1, 1, 'good')`, `created 1 {"id":1,"name":"Ann","double":2,"near":true,"odd":0} {good}`)
}

// A view reads its tables as its owner, or as its reader, and runs its functions as its reader.
func TestApplyGrantsWhatViewsNeed(t *testing.T) {
	atLeast(t, 15)
	b := open(t, app+`;
		create schema hidden;
		create table hidden.clients (id int primary key, name text);
		insert into hidden.clients values (1, 'Ann');
		create view app.inner_view with (security_invoker) as select id, name, app.double(id) as twice from hidden.clients;
		create view app.invoker with (security_invoker = on) as select * from app.inner_view;
		create view app.definer as select i.*, x.id as x from app.inner_view as i left join app."Odd ""names"".x" as x on app.near(x.id, i.id)`)
	for view, want := range map[string][]string{
		"app.invoker": {`execute on app.double(integer)`, `select on app.inner_view`, `select on app.invoker`, `select on hidden.clients`, `usage on app`},
		"app.definer": {`execute on app.double(integer)`, `execute on app.near(integer,integer)`, `select on app.definer`, `select on hidden.clients`, `usage on app`},
	} {
		b.apply(parse(t, `
tables: [{ name: app.orders, join: `+view+` as c on c.id = n.client, payload: { name: c.name, twice: c.twice }, on: { insert: created } }]`))
		b.wantRights(want...)
		b.events()
		b.gives(`delete from app.orders; insert into app.orders values (1, 1, 'good')`, `created 1 {"name":"Ann","twice":2}`)
	}
}

// A role that may not give a right away learns whom to ask.
func TestApplyNamesTheRightsThatItCannotGive(t *testing.T) {
	b := open(t, app)
	role := b.role("applier")
	b.exec(`
		grant usage on schema app to ` + role + `;
		grant trigger on app.orders to ` + role + `; grant select on app.clients, app."Odd ""names"".x" to ` + role + `;
		grant execute on all functions in schema app to ` + role + `;
		grant usage, create on schema pgherald to ` + role + ` with grant option;
		grant select, insert, update, delete on pgherald.grants, pgherald.drift, pgherald.locks, pgherald.specs, pgherald.trigger_functions to ` + role + `;
		grant insert (type, key, audience, data) on pgherald.events to ` + role + `;
		grant pgherald_writer to ` + role)
	b.become(role)
	spec := parse(t, strings.ReplaceAll(appSpec, "truncate: as-deletes", "truncate: null"))
	_, err := triggers.Apply(t.Context(), b.conn, spec)
	if err == nil {
		t.Fatal("apply gave away rights that it did not have")
	}
	contains(t, err.Error(), "this role may not; run as the owner", "grant select on table app.clients to pgherald_writer", "grant usage on schema app to pgherald_writer")
	b.exec(`reset session authorization`)
	b.exec(`grant usage on schema app to pgherald_writer; grant select on app.clients, app."Odd ""names"".x" to pgherald_writer; grant execute on all functions in schema app to pgherald_writer`)
	b.become(role)
	b.apply(spec)
	b.exec(`reset session authorization`)
	b.gives(`insert into app.orders values (1, 1, 'good')`, `created 1 {"id":1,"name":"Ann","double":2,"near":true,"odd":0} {good}`)
}

// Without a membership, a role cannot change the functions, and learns why.
func TestApplyWithoutMembership(t *testing.T) {
	b := open(t, orders)
	role := b.role("applier")
	b.exec(`grant usage, create on schema pgherald to ` + role + ` with grant option; grant all on all tables in schema pgherald to ` + role + `; alter table public.orders owner to ` + role)
	b.become(role)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, ordersSpec))
	if err == nil {
		t.Fatal("apply changed functions of another role")
	}
	contains(t, err.Error(), "grant pgherald_writer to")
}

// An installation from before the role is given to it.
func TestApplyGivesOldFunctionsAway(t *testing.T) {
	b := open(t, orders)
	b.withoutWriter()
	b.apply(parse(t, ordersSpec))
	b.exec(`grant insert (type, key, audience, data) on pgherald.events to pgherald_writer`)
	changes := b.apply(parse(t, ordersSpec))
	if !slices.Contains(changes, `give function pgherald."public.orders.row" to pgherald_writer`) {
		t.Errorf("changes: %v", changes)
	}
	b.drifts(ordersSpec)
	b.events() // that the clients load the table again
	b.gives(`insert into public.orders values (1, 'a')`, `order_created 1 {"id":1,"status":"a","was":null}`)
}
