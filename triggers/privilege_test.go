package triggers_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// role creates a role with a unique name, since roles belong to the whole cluster, and drops it when the
// test ends.
func (b *testBed) role(suffix string) string {
	b.t.Helper()
	name := b.one(`select current_database() || $1`, "_"+suffix)
	quoted := pgx.Identifier{name}.Sanitize()
	b.exec(`create role ` + quoted + ` login`)
	b.t.Cleanup(func() {
		b.exec(`reset session authorization; drop owned by ` + quoted + ` cascade; drop role ` + quoted)
	})
	return quoted
}

// become switches the session to another role.
func (b *testBed) become(role string) {
	b.t.Helper()
	b.exec(`set session authorization ` + role)
}

func TestWriterNeedsNoRightOnTheLog(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	writer := b.role("writer")
	b.exec(`grant select, insert, update, delete, truncate on public.orders to ` + writer)
	b.become(writer)
	b.exec(`
		insert into public.orders values (1, 'a');
		update public.orders set status = 'b';
		delete from public.orders;
		truncate public.orders`)
	contains(t, b.fails(`select * from pgherald.events`), "permission denied for schema pgherald")
	contains(t, b.fails(`insert into pgherald.events (type, data) values ('x', '{}')`), "permission denied for schema pgherald")
	contains(t, b.fails(`select pgherald."public.orders.row"()`), "permission denied for schema pgherald")
	b.exec(`reset session authorization`)
	b.wants(`order_created 1 {"id":1,"status":"a","was":null}`,
		`order_updated 1 {"id":1,"status":"b","was":"a"}`,
		`order_deleted 1 {"id":1,"status":"b","was":"b"}`,
		`table_truncated - {"table":"public.orders"}`)
}

// Even with USAGE on the schema, a role cannot use the trigger functions on a table of its own, which would
// let it write any event.
func TestOtherRolesCannotUseTheFunctions(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	thief := b.role("thief")
	b.exec(`grant usage on schema pgherald to ` + thief)
	b.exec(`create schema thieves authorization ` + thief)
	b.become(thief)
	b.exec(`create table thieves.orders (id int primary key, status text)`)
	contains(t, b.fails(`
		create trigger mine after insert on thieves.orders referencing new table as new_rows
		for each statement execute function pgherald."public.orders.row"()`),
		"permission denied for function", "public.orders.row")
	contains(t, b.fails(`select pgherald."public.orders.row"()`), "permission denied")
	contains(t, b.fails(`select * from pgherald.events`), "permission denied for table events")
}

// A writer can create objects of any name in pg_temp. The trigger does not use them.
func TestTemporaryObjectsDoNotAffectTheTrigger(t *testing.T) {
	b := watch(t, orders, ordersSpec)
	writer := b.role("writer")
	b.exec(`grant select, insert, update, delete on public.orders to ` + writer)
	b.exec(`grant temporary on database ` + b.one(`select quote_ident(current_database())`) + ` to ` + writer)
	b.become(writer)
	b.exec(`
		create temp table events (like public.orders);
		create temp table new_rows (id int, status text);
		create temp table old_rows (id int, status text);
		create temp table payload (id int);
		create function pg_temp.to_json(anyelement) returns json language sql as 'select ''"forged"''::json';
		create function pg_temp.num_nulls(int, int) returns int language sql as 'select 2';
		create function pg_temp.pg_notify(text, text) returns void language sql as 'select';
		create function pg_temp.never(int, int) returns boolean language sql as 'select false';
		create operator pg_temp.= (leftarg = int, rightarg = int, function = pg_temp.never);
		set search_path = pg_temp, public, pg_catalog;
		insert into public.orders values (1, 'a');
		update public.orders set status = 'b'`)
	b.exec(`reset session authorization; reset search_path`)
	b.wants(`order_created 1 {"id":1,"status":"a","was":null}`, `order_updated 1 {"id":1,"status":"b","was":"a"}`)
}

// Apply needs the owner of the tables and the log, not a superuser.
func TestOwnerAppliesWithoutSuperuser(t *testing.T) {
	b := open(t, orders)
	owner := b.role("owner")
	b.exec(`
		alter table public.orders owner to ` + owner + `;
		alter schema pgherald owner to ` + owner + `;
		alter table pgherald.events owner to ` + owner + `;
		alter table pgherald.log owner to ` + owner + `;
		alter table pgherald.drift owner to ` + owner + `;
		alter table pgherald.locks owner to ` + owner)
	b.become(owner)
	b.apply(parse(t, ordersSpec))
	b.gives(`insert into public.orders values (1, 'a')`, `order_created 1 {"id":1,"status":"a","was":null}`)
	b.drifts(ordersSpec)
	if _, err := triggers.Drop(t.Context(), b.conn); err != nil {
		t.Error(err)
	}
}

func TestApplyWithoutRights(t *testing.T) {
	b := open(t, orders)
	b.become(b.role("guest"))
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, ordersSpec))
	if err == nil {
		t.Fatal("a role without rights installed triggers")
	}
	contains(t, err.Error(), "permission denied for schema pgherald")
}
