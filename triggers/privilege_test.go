package triggers_test

import (
	"strings"
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

// withoutWriter makes the database one in which the migrations could not create the role of the trigger functions.
func (b *testBed) withoutWriter() {
	b.t.Helper()
	b.exec(`revoke all on pgherald.events from pgherald_writer; revoke insert (type, key, audience, data) on pgherald.events from pgherald_writer`)
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
	b.withoutWriter()
	owner := b.role("owner")
	b.exec(`
		alter table public.orders owner to ` + owner + `;
		alter schema pgherald owner to ` + owner + `;
		alter table pgherald.events owner to ` + owner + `;
		alter table pgherald.log owner to ` + owner + `;
		alter table pgherald.drift owner to ` + owner + `;
		alter table pgherald.locks owner to ` + owner + `;
		grant select, insert, update, delete on pgherald.specs, pgherald.trigger_functions to ` + owner)
	b.become(owner)
	b.apply(parse(t, ordersSpec))
	b.gives(`insert into public.orders values (1, 'a')`, `order_created 1 {"id":1,"status":"a","was":null}`)
	b.drifts(ordersSpec)
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
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

// The owner of a watched table chooses code that runs when the trigger reads a row, such as a cast of a column's type
// to json. It runs as the owner of the trigger function, who must have no right that is worth having.
const attackSQL = `
	create type thieves.evil as enum ('a');
	create table thieves.loot (attempt text, result text);
	grant insert on thieves.loot to public;
	grant usage on schema thieves to public;
	create function thieves.run() returns void language plpgsql as $$
	declare sql text; got text;
	begin
		insert into thieves.loot values ('user', current_user);
		foreach sql in array array[
			'select string_agg(secret, '','') from public.secrets',
			'select string_agg(e.data::text, '','') from pgherald.events as e',
			'select string_agg(user_id, '','') from pgherald.tickets',
			'alter role ROLE superuser',
			'create function pgherald.mine() returns void language sql as ''select''',
			'update pgherald.log set pruned_below = ''9''',
			'delete from pgherald.events',
			'insert into pgherald.events (xid, type, data) values (''1'', ''forged'', ''1'')',
			'set role ROLE', 'reset role', 'set session authorization default',
			'alter function pgherald.wake(json) set search_path = thieves',
			'alter function pgherald.publish(text, json, text, text[]) security invoker',
			'alter function pgherald.truncated(text, text) security invoker',
			'drop table public.secrets', 'grant pgherald_writer to ROLE'
		] loop
			begin
				if sql like 'select%' then execute sql into got; else execute sql; end if;
				insert into thieves.loot values (sql, coalesce(got, 'done'));
			exception when others then null;
			end;
		end loop;
	end $$;
	create function thieves.to_json(thieves.evil) returns json language plpgsql as $$ begin perform thieves.run(); return '1'; end $$;
	create cast (thieves.evil as json) with function thieves.to_json(thieves.evil);
	create table thieves.orders (id int primary key, v thieves.evil)`

func TestOwnerOfAWatchedTableGainsNoRights(t *testing.T) {
	b := open(t, `create table public.secrets (secret text); insert into public.secrets values ('gold')`)
	thief := b.role("thief")
	b.exec(`create schema thieves authorization ` + thief)
	b.become(thief)
	b.exec(strings.ReplaceAll(attackSQL, "ROLE", thief))
	b.exec(`reset session authorization`)
	b.apply(parse(t, `tables: [{name: thieves.orders, on: {insert: order_created}}]`))
	b.become(thief)
	b.exec(`insert into thieves.orders values (1, 'a')`)
	b.exec(`reset session authorization`)
	if user := b.one(`select string_agg(result, ',') from thieves.loot where attempt = $1`, "user"); user != "pgherald_writer" {
		t.Errorf("the code of the table's owner runs as %s", user)
	}
	if loot := b.one(`select coalesce(string_agg(attempt || ': ' || result, '; '), '') from thieves.loot where attempt <> $1`, "user"); loot != "" {
		t.Errorf("it succeeds with %s", loot)
	}
	b.wants(`order_created 1 {"id":1,"v":1}`)
}

// The code of a table's owner may alter the functions of other tables, which have the same owner. As their callers run
// them, nothing of it may run.
func TestAlteredFunctionsRunNoCodeOfOthers(t *testing.T) {
	for name, alter := range map[string]string{
		"invoker":               `alter function pgherald.%I() security invoker; alter function pgherald.%1$I() set search_path = thieves, pg_catalog`,
		"invoker, set role":     `alter function pgherald.%I() security invoker; alter function pgherald.%1$I() set search_path = thieves, pg_catalog; alter function pgherald.%1$I() set role = pgherald_writer`,
		"invoker, session":      `alter function pgherald.%I() security invoker; alter function pgherald.%1$I() set search_path = thieves, pg_catalog; alter function pgherald.%1$I() set session_authorization = pgherald_writer`,
		"definer, another path": `alter function pgherald.%I() set search_path = thieves, pg_catalog`,
	} {
		t.Run(name, func(t *testing.T) {
			const plain = `create table public.plain (id int primary key, status text);`
			b := watch(t, orders+plain, strings.ReplaceAll(ordersSpec, "n.status", "upper(n.status)")+`
  - name: public.plain
    on: { insert: plain_created, update: plain_updated, delete: plain_deleted }
`)
			thief := b.role("thief")
			b.exec(`create schema thieves authorization ` + thief)
			b.become(thief)
			b.exec(`
				create table thieves.loot (result text);
				grant insert on thieves.loot to public;
				grant usage on schema thieves to public;
				create function thieves.upper(text) returns text language plpgsql as $$ begin
					begin execute 'reset role'; exception when others then null; end;
					begin execute 'reset session authorization'; exception when others then null; end;
					insert into thieves.loot values (current_user); return 'stolen'; end $$;
				create function thieves.steal(anyelement, anyelement) returns boolean language plpgsql as $$ begin
					insert into thieves.loot values (current_user); return false; end $$;
				create function thieves.to_json(record) returns json language plpgsql as $$ begin insert into thieves.loot values (current_user); return '1'; end $$`)
			b.exec(`reset session authorization; set role pgherald_writer`) // as the code of the table's owner does
			for _, function := range []string{"public.orders.row", "public.orders.truncate", "public.plain.row", "public.plain.truncate"} {
				sql := b.one(`select format($1, '`+function+`')`, strings.ReplaceAll(alter, "%I", "%1$I"))
				if _, err := b.conn.Exec(t.Context(), sql); err != nil {
					t.Logf("%s: %v", sql, err) // what it cannot alter does no harm
				}
			}
			b.exec(`reset role`)
			for _, sql := range []string{
				`insert into public.orders values (1, 'a')`, `update public.orders set status = 'b'`, `delete from public.orders`, `truncate public.orders`,
				`insert into public.plain values (1, 'a')`, `update public.plain set status = 'b'`, `delete from public.plain`, `truncate public.plain`,
			} {
				if _, err := b.conn.Exec(t.Context(), sql); err != nil {
					t.Logf("%s: %v", sql, err)
				}
			}
			if who := b.one(`select coalesce(string_agg(distinct result, ', '), '') from thieves.loot where result <> $1`, "pgherald_writer"); who != "" {
				t.Errorf("code of the thief ran as %s", who)
			}
		})
	}
}
