package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// shadowSQL gives the schema public a namesake of everything in pg_catalog: functions, operators, tables, views
// and common types. A statement that uses one of them leaves a row and a number in a sequence, which survives a rollback.
// The search path puts public first, as a careless owner of a database might do; an attacker who may create
// objects gets the same effect with arguments that match better.
const shadowSQL = `
create table public.trapped (what pg_catalog.text);
create sequence public.traps;
grant all on public.trapped, public.traps to public;
create function public.spy(what pg_catalog.text) returns pg_catalog.bool language plpgsql set search_path = pg_catalog as $$ begin
	perform nextval('public.traps'); insert into public.trapped values (what); return true;
end $$;
do $do$
declare f record; body text;
begin
	for f in
		select p.proname, p.oid, pg_get_function_identity_arguments(p.oid) as args, format_type(p.prorettype, null) as result, p.proretset
		from pg_proc as p
		where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
			and not exists (
				select from unnest(p.proargtypes::oid[] || nullif(p.prorettype, 'void'::regtype)) as a
				join pg_type as t on t.oid = a
				where t.typtype = 'p'
			)
			and p.proargmodes is null
	loop
		body := format('begin perform public.spy(%L); return%s; end', f.proname, case when f.result = 'void' or f.proretset then '' else ' null' end);
		execute format('create function public.%I(%s) returns %s %s language plpgsql as %L', f.proname,
			(select string_agg(format_type(a, null), ', ' order by i) from pg_proc as p, unnest(p.proargtypes::oid[]) with ordinality as u (a, i) where p.oid = f.oid),
			case when f.proretset then 'setof' else '' end, f.result, body);
	end loop;
	for f in
		select o.oprname as name, format_type(o.oprleft, null) as l, format_type(o.oprright, null) as r, format_type(o.oprresult, null) as result, o.oprleft = 0 as unary, o.oid
		from pg_operator as o
		where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprright <> 0 -- PostgreSQL 13 has one postfix operator
			and not exists (select from pg_type as t where t.oid in (o.oprleft, o.oprright, o.oprresult) and t.typtype = 'p')
	loop
		body := format('begin perform public.spy(%L); return null; end', 'operator ' || f.name || ' ' || f.r);
		if f.unary then
			execute format('create function public.op_%s(%s) returns %s language plpgsql as %L', f.oid, f.r, f.result, body);
			execute format('create operator public.%s (rightarg = %s, function = public.op_%s)', f.name, f.r, f.oid);
		else
			execute format('create function public.op_%s(%s, %s) returns %s language plpgsql as %L', f.oid, f.l, f.r, f.result, body);
			execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.op_%s)', f.name, f.l, f.r, f.oid);
		end if;
	end loop;
	for f in
		select c.relname from pg_class as c
		where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v') and c.relname not like 'pg\_statistic%'
			and not exists (select from pg_attribute as a join pg_type as t on t.oid = a.atttypid where a.attrelid = c.oid and t.typtype = 'p')
	loop
		execute format('create view public.%I as select * from pg_catalog.%I where public.spy(%L)', f.relname, f.relname, 'relation ' || f.relname);
	end loop;
	for f in select unnest(array['text', 'uuid', 'json', 'jsonb', 'xid8', 'timestamptz', 'float8', 'int8', 'regclass', 'name', 'oid', 'bytea', 'bool']) as name loop
		execute format('create domain public.%I as pg_catalog.%I check (public.spy(%L))', f.name, f.name, 'type ' || f.name);
	end loop;
end $do$;
create function public.json_build_object(variadic pg_catalog.text[]) returns pg_catalog.json language plpgsql as $$ begin perform public.spy('json_build_object'); return '{}'; end $$;
create function public.unnest(pg_catalog.text[]) returns setof pg_catalog.text language plpgsql as $$ begin perform public.spy('unnest'); return; end $$;
create function public.to_json(record) returns pg_catalog.json language plpgsql as $$ begin perform public.spy('to_json'); return '{}'; end $$;`

// domainTrapsSQL makes operators on the domains of the activities. They match better than those of pg_catalog, so
// they need no change of the search path.
const domainTrapsSQL = `
set search_path = pg_catalog;
do $do$
declare d text; o text; r text; n int := 0;
begin
	foreach d in array array['category', 'subcategory', 'location', 'status', 'reporter'] loop
		foreach o in array array['=', '<>', '<', '~~*', '~~'] loop
			foreach r in array array['pg_catalog.text', 'public.activity_' || d] loop
				n := n + 1;
				execute format('create function public.domain_%s(public.activity_%s, %s) returns bool language plpgsql as %L', n, d, r,
					format('begin perform public.spy(%L); return false; end', 'operator ' || o || ' of ' || d));
				execute format('create operator public.%s (leftarg = public.activity_%s, rightarg = %s, function = public.domain_%s)', o, d, r, n);
			end loop;
		end loop;
	end loop;
end $do$`

// checkNotTrapped fails if anything of ours used an object of the schema public that it should not.
func checkNotTrapped(t *testing.T, conn *pgx.Conn, step string) {
	t.Helper()
	var n int
	var what *string
	const sql = `
		select coalesce(pg_catalog.pg_sequence_last_value('public.traps'::pg_catalog.regclass), 0),
			(select pg_catalog.string_agg(distinct t.what, ', ') from public.trapped as t)`
	if err := conn.QueryRow(t.Context(), sql).Scan(&n, &what); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return
	}
	list := "in transactions that were rolled back"
	if what != nil {
		list = *what
	}
	t.Errorf("%s used %d objects of others: %s", step, n, list)
	pgtest.Exec(t, conn, `truncate public.trapped; select pg_catalog.setval('public.traps', 1, false); alter sequence public.traps restart`)
}

// TestHostilePublicSchema runs everything that connects to the database while the schema public holds a trap for
// each name of pg_catalog.
func TestHostilePublicSchema(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, shadowSQL)
	pgtest.Exec(t, conn, `alter database `+conn.Config().Database+` set search_path = public, pg_catalog`)
	pgtest.Exec(t, conn, `set search_path = pg_catalog`)
	hostile := pgtest.Connect(t, databaseURL) // takes the database's search path
	if _, err := hostile.Exec(ctx, `select now()`); err != nil {
		t.Fatal(err)
	}
	var traps int
	if err := conn.QueryRow(ctx, `select last_value from public.traps`).Scan(&traps); err != nil || traps != 1 {
		t.Fatalf("the traps do not work: %d, %v", traps, err)
	}
	pgtest.Exec(t, conn, `truncate public.trapped; alter sequence public.traps restart`)

	all := []migrations.Set{migrations.Engine(), migrations.Workload()}
	if err := migrations.Up(ctx, databaseURL, all...); err != nil {
		t.Fatal(err)
	}
	checkNotTrapped(t, conn, "migrate up")
	pgtest.Exec(t, conn, domainTrapsSQL)
	if _, err := migrations.StatusOf(ctx, databaseURL, all...); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Script(ctx, databaseURL, all...); err != nil {
		t.Fatal(err)
	}
	checkNotTrapped(t, conn, "migrate status and show")
	applyAndCheck(ctx, t, databaseURL)
	checkNotTrapped(t, conn, "triggers apply, show and check")

	n := newNode(databaseURL, requireTokens, func(c *server.Config) {
		c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.Leeway = "nurse", "nurse", 0
	})
	startNodes(ctx, t, n)
	defer n.end(t)
	checkNotTrapped(t, conn, "the start of a server")
	useAPI(ctx, t, n)
	checkNotTrapped(t, conn, "the API")
	useTicket(ctx, t, n)
	checkNotTrapped(t, conn, "a ticket")
	n.end(t)
	checkNotTrapped(t, conn, "the end of a server")
	prune(ctx, t, databaseURL)
	checkNotTrapped(t, conn, "pruning")
	checkWriter(t, conn)

	server, err := server.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(ctx)
	if _, err := triggers.DropAll(ctx, server); err != nil {
		t.Fatal(err)
	}
	checkNotTrapped(t, conn, "triggers drop")
	dropDomainTraps(ctx, t, conn)
	if err := migrations.Down(ctx, databaseURL, all...); err != nil {
		t.Fatal(err)
	}
	checkNotTrapped(t, conn, "migrate down")
}

// dropDomainTraps drops the functions that depend on the domains, which would keep the tables from being removed.
func dropDomainTraps(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(ctx, `do $$ declare f regprocedure; begin
		for f in select p.oid::regprocedure from pg_proc as p where p.pronamespace = 'public'::regnamespace and p.proname ~ '^domain_[0-9]+$' loop execute 'drop function ' || f || ' cascade'; end loop;
	end $$`)
	if err != nil {
		t.Fatal(err)
	}
}

func applyAndCheck(ctx context.Context, t *testing.T, databaseURL string) {
	t.Helper()
	conn, err := server.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := triggers.SQL(ctx, conn, triggers.Workload()); err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(ctx, conn, triggers.Workload()); err != nil {
		t.Fatal(err)
	}
	if drift, err := triggers.Check(ctx, conn, triggers.Workload()); err != nil || len(drift) > 0 {
		t.Fatalf("drift %v, %v", drift, err)
	}
}

// useAPI sends each kind of request.
func useAPI(ctx context.Context, t *testing.T, n *node) {
	t.Helper()
	nurse := bearer(t, "nina", "nurse")
	stream := openStream(ctx, t, n.at("/api/events"), "Authorization", nurse)
	readTo(t, stream, "presence_updated")
	if status := postJSON(ctx, t, n.at("/api/activities"), activity, "Authorization", nurse); status != http.StatusCreated {
		t.Fatalf("create: %d", status)
	}
	created := readTo(t, stream, "activity_created")
	_, id, _ := strings.Cut(created[strings.LastIndex(created, `"data":{"id":"`):], `"data":{"id":"`)
	id = id[:36]
	for _, path := range []string{
		"/api/activities", "/api/activities?status=open&category=c&category=x&location=l&reporter=r&subcategory=s&q=c&assignedTo=", "/api/activities/" + id,
		"/api/activities/" + id + "/notes", "/api/presence",
	} {
		if response := ask(ctx, t, n.at(path), "Authorization", nurse); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	for _, r := range []struct{ method, path, body string }{
		{http.MethodPut, "/api/activities/" + id, `{"status":"closed","category":"d"}`},
		{http.MethodPut, "/api/activities/" + id, `{"status":"open","notes":"n","authorId":"ann"}`},
		{http.MethodPost, "/api/activities/" + id + "/notes", `{"notes":"more","authorId":"ann"}`},
		{http.MethodPut, "/api/activities/" + id + "/assignment", `{"assigneeId":"ann"}`},
		{http.MethodDelete, "/api/activities/" + id + "/assignment", ``},
		{http.MethodPost, "/api/events", `{"type":"note","data":1}`},
		{http.MethodDelete, "/api/activities/" + id, ``},
	} {
		response := askWith(ctx, t, func() *http.Request {
			request, err := http.NewRequestWithContext(ctx, r.method, n.at(r.path), bytes.NewBufferString(r.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", nurse)
			if r.body != "" {
				request.Header.Set("Content-Type", "application/json")
			}
			return request
		})
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s %s %s: %s %s %v", r.method, r.path, r.body, response.Status, text, err)
		}
	}
	readTo(t, stream, "activity_deleted")
}

// useTicket takes a ticket and opens a stream with it.
func useTicket(ctx context.Context, t *testing.T, n *node) {
	t.Helper()
	tt := &tokenTest{T: t, ctx: ctx, first: n, second: n}
	if tt.renew(time.Hour) == nil {
		t.Error("the ticket was too late")
	}
}

// prune removes events: those that are older than every transaction of the cluster.
func prune(ctx context.Context, t *testing.T, databaseURL string) {
	t.Helper()
	pool, err := db.OpenLogPool(ctx, databaseURL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pruner := eventlog.NewPruner(pool, eventlog.PrunerOptions{MaxBytes: 1})
	waitFor(ctx, t, "events to be pruned", func() bool {
		n, err := pruner.Prune(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
}

// checkWriter writes in a session whose search path leads to the traps. The statement itself has no name that could
// lead there, so only the triggers could.
func checkWriter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var last int64 // of the events that pruning left, as it may where another transaction is open
	if err := conn.QueryRow(t.Context(), `select coalesce(max(e.id), 0) from pgherald.events as e`).Scan(&last); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `set search_path = public, pg_catalog`)
	for _, sql := range []string{
		`insert into public.activities (id, category, subcategory, location, reporter) values ('00000000-0000-0000-0000-000000000001', 'c', 's', 'l', 'r')`,
		`update public.activities set status = 'closed'`,
		`insert into public.assignments (activity_id, assignee_id) values ('00000000-0000-0000-0000-000000000001', 'ann')`,
		`insert into public.activity_updates (activity_id, author_id, notes) values ('00000000-0000-0000-0000-000000000001', 'ann', 'n')`,
		`delete from public.activity_updates`, `truncate public.assignments`, `delete from public.activities`,
	} {
		pgtest.Exec(t, conn, sql)
	}
	pgtest.Exec(t, conn, `set search_path = pg_catalog`)
	checkNotTrapped(t, conn, "the triggers of a writer")
	var types int
	if err := conn.QueryRow(t.Context(), `select count(distinct e.type) from pgherald.events as e where e.id > $1`, last).Scan(&types); err != nil || types != 5 {
		t.Errorf("%d types of events, %v; want 5", types, err)
	}
}
