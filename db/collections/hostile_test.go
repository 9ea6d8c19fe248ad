package collections_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// evilSQL makes a table with a type whose cast to json runs code of the table's owner, who cannot use its own tables from
// there: the transaction is read-only. It reports what succeeds as the json.
const evilSQL = `
create schema thieves authorization THIEF;
grant usage on schema thieves to public;
set session authorization THIEF;
create type thieves.evil as enum ('x');
create function thieves.run() returns json language plpgsql as $$
declare sql text; got text; loot json[];
begin
    loot := array[json_build_object('user', current_user)];
    foreach sql in array array[
        'select string_agg(secret, '','') from public.secrets',
        'select string_agg(e.data::text, '','') from pgherald.events as e',
        'select string_agg(user_id, '','') from pgherald.tickets',
        'set role SERVER', 'set role postgres', 'reset role', 'set session authorization default', 'set local role SERVER',
        'alter role THIEF superuser', 'create function pgherald.mine() returns void language sql as ''select''',
        'insert into pgherald.events (type, data) values (''forged'', ''1'')',
        'alter function pgherald.list_rows(text[], text[], bigint, bigint, bigint) security invoker',
        'create temp table orders (id int)', 'set transaction read write', 'commit', 'drop table thieves.orders'
    ] loop
        begin
            if sql like 'select%' then execute sql into got; else execute sql; end if;
            loot := loot || json_build_object(sql, coalesce(got, 'done'));
        exception when others then null;
        end;
    end loop;
    perform set_config('search_path', 'thieves, pg_catalog', false);
    perform set_config('row_security', 'on', false), set_config('thieves.was_here', 'yes', false);
    perform pg_advisory_lock(8099557239769099266);
    return array_to_json(loot);
end $$;
create function thieves.to_json(thieves.evil) returns json language plpgsql as $$ begin return thieves.run(); end $$;
create cast (thieves.evil as json) with function thieves.to_json(thieves.evil);
create function thieves.pg_current_snapshot() returns pg_snapshot language plpgsql as $$
    begin raise exception 'the server runs code of the table''s owner as %', current_user; end $$;
create function thieves.is_text(pg_catalog.text) returns boolean language plpgsql as $$
    begin raise exception 'the server runs code of the table''s owner as %', current_user; end $$;
create domain thieves.text as pg_catalog.text check (thieves.is_text(value));
create table thieves.orders (id int primary key, v thieves.evil);
insert into thieves.orders values (1, 'x'), (2, 'x');
grant select on thieves.orders to pgherald_writer;
reset session authorization;
create table public.secrets (secret text);
insert into public.secrets values ('gold');
grant select on public.secrets to SERVER`

// server creates a role with the rights of a server, and returns its name and the URL for it.
func (k *kit) server() (name, roleURL string) {
	k.Helper()
	name = k.conn.Config().Database + "_server"
	quoted := k.role(name)
	k.exec(`grant usage on schema pgherald to ` + quoted + `; grant select on all tables in schema pgherald to ` + quoted +
		`; grant execute on function pgherald.list_rows to ` + quoted)
	u, err := url.Parse(k.url)
	if err != nil {
		k.Fatal(err)
	}
	u.User = url.User(name)
	return quoted, u.String()
}

func (k *kit) role(name string) string {
	quoted := pgx.Identifier{name}.Sanitize()
	k.exec(`create role ` + quoted + ` login`)
	k.Cleanup(func() {
		_, err := k.conn.Exec(context.Background(), `reset session authorization; drop owned by `+quoted+` cascade; drop role `+quoted)
		if err != nil {
			k.Error(err)
		}
	})
	return quoted
}

// TestHostileTableOwner reads a table whose owner put code into the cast of a type. The code may not do more than
// pgherald_writer may in a read-only transaction, and nothing of it stays in the server's session.
func TestHostileTableOwner(t *testing.T) {
	k := newKit(t, "select")
	server, serverURL := k.server()
	thief := k.role(k.conn.Config().Database + "_thief")
	k.exec(strings.NewReplacer("SERVER", strings.ReplaceAll(server, "'", "''"), "THIEF", thief).Replace(evilSQL))
	s := source("orders", "id", field("id", collection.Integer, false))
	s.From, s.Table, s.RowSQL = "thieves.orders as n", "thieves.orders", "select n.id as id, n.v as v"
	l := k.listsOf(serverURL, smallOptions, s)
	for range 2 {
		p := page(t, l, "orders", query(t, &s.Collection, "count=exact"))
		const want = `{"id":1,"v":[{"user" : "pgherald_writer"}]}` + "\n" + `{"id":2,"v":[{"user" : "pgherald_writer"}]}`
		if got := texts(p.Rows); got != want {
			t.Errorf("the code of the table's owner did\n%s", got)
		}
		if r, err := l.Row(t.Context(), "orders", "1", nil); err != nil {
			t.Error(err)
		} else {
			r.Release()
		}
	}
	if locks := k.one(`select count(*)::text from pg_locks where locktype = 'advisory'`); locks != "0" {
		t.Errorf("%s advisory locks remain", locks)
	}
	pool, err := db.OpenPool(t.Context(), serverURL, db.PoolOptions{Name: "look", Size: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	checkNothingRemains(t, pool, s, k)
}

// checkNothingRemains reads a page on the only connection of a pool, and then looks at its settings.
func checkNothingRemains(t *testing.T, pool *db.Pool, s collections.Source, k *kit) {
	t.Helper()
	l, err := collections.New(t.Context(), pool, k.log, []collections.Source{s}, smallOptions)
	if err != nil {
		t.Fatal(err)
	}
	page(t, l, "orders", query(t, &s.Collection, ""))
	var got string
	const sql = `select concat_ws(' ', current_setting('search_path'), current_setting('row_security'), current_setting('thieves.was_here', true), current_user = session_user)`
	if err := pool.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != "pg_catalog, pg_temp on  t" && got != "pg_catalog, pg_temp on t" {
		t.Errorf("the next transaction has %q, %v", got, err)
	}
}

// Code that runs as pgherald_writer, from a trigger, may alter the function that the server calls. It must not run with the
// rights of the server then.
func TestAlteredListRows(t *testing.T) {
	const name = `alter function pgherald.list_rows(text[], text[], bigint, bigint, bigint) `
	for title, alter := range map[string]string{
		"invoker":           name + `security invoker; ` + name + `set search_path = thieves, pg_catalog`,
		"invoker, set role": name + `security invoker; ` + name + `set search_path = thieves, pg_catalog; ` + name + `set role = pgherald_writer`,
		"session":           name + `security invoker; ` + name + `set session_authorization = pgherald_writer`,
		"another path":      name + `set search_path = thieves, pg_catalog`,
	} {
		t.Run(title, func(t *testing.T) {
			k := newKit(t, ordersDDL)
			server, serverURL := k.server()
			k.exec(`grant pgherald_writer to ` + server + `; grant select on public.orders to pgherald_writer; create schema thieves; grant usage on schema thieves to public;
				create table thieves.loot (who text); grant insert on thieves.loot to public;
				create function thieves.steal(anyelement, anyelement) returns boolean language plpgsql as $$ begin
					raise exception 'stolen by %', current_user using errcode = 'XX000'; end $$;
				create operator thieves.= (leftarg = anyelement, rightarg = anyelement, function = thieves.steal);
				create operator thieves.> (leftarg = anyelement, rightarg = anyelement, function = thieves.steal);
				create operator thieves.<> (leftarg = anyelement, rightarg = anyelement, function = thieves.steal)`)
			s := orders()
			l := k.listsOf(serverURL, smallOptions, s)
			page(t, l, "orders", query(t, &s.Collection, ""))
			k.exec(`set role pgherald_writer`)
			for _, sql := range strings.Split(alter, "; ") {
				if _, err := k.conn.Exec(t.Context(), sql); err != nil {
					t.Logf("%s: %v", sql, err) // what it cannot alter does no harm
				}
			}
			k.exec(`reset role`)
			p, err := l.Page(t.Context(), "orders", query(t, &s.Collection, ""))
			if err == nil {
				p.Release()
			}
			var e *listing.Error
			if err != nil && (!errors.As(err, &e) || e.Kind != listing.NoRight || !strings.Contains(err.Error(), "security definer")) {
				t.Error(err)
			}
			if strings.HasPrefix(title, "invoker") && err == nil {
				t.Error("the function runs as its caller")
			}
		})
	}
}

// Only roles to which the function was granted can run SQL through it.
func TestListRowsIsForServers(t *testing.T) {
	k := newKit(t, "select")
	stranger := k.role(k.conn.Config().Database + "_stranger")
	k.exec(`grant usage on schema pgherald to ` + stranger + `; set session authorization ` + stranger)
	_, err := k.conn.Exec(t.Context(), `select pgherald.list_rows('{select 1}', '{}', 1, 1, 1)`)
	if err == nil || !strings.Contains(err.Error(), "permission denied for function list_rows") {
		t.Error(err)
	}
	k.exec(`reset session authorization`)
	if owner := k.one(`select proowner::regrole::text from pg_proc where proname = 'list_rows'`); owner != "pgherald_writer" {
		t.Errorf("the function belongs to %s", owner)
	}
	for _, sql := range []string{`update public.t set a = 2`, `create table public.u ()`, `delete from public.t returning a::text, null::json, null::text[]`} {
		_, err := k.conn.Exec(t.Context(), `select pgherald.list_rows(array[$1], '{}', 1, 1, 1)`, sql)
		if err == nil {
			t.Errorf("%s: succeeded", sql)
		}
	}
}
