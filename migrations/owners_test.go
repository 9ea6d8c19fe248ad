package migrations_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// trapSQL makes a table that records who used it: a function with the rights of its caller.
const trapSQL = `
create table public.trapped (who text);
grant insert on public.trapped to public;
create function public.trap() returns trigger language plpgsql as $$ begin
	insert into public.trapped values (current_user); return null;
end $$`

// A role that may create objects prepares the objects that a migration looks for.
func TestForeignObjects(t *testing.T) {
	for name, tt := range map[string]struct {
		installed bool   // before the attack
		sql       string // of the attacker
		admin     string // of the owner, before the attack
		want      string // in the error; empty: up works
	}{
		"old table, nothing installed": {
			sql: `create table public.pgherald_engine_migrations (version bigint primary key, dirty boolean);
				insert into public.pgherald_engine_migrations values (1, false);
				create trigger t after insert or update or delete or truncate on public.pgherald_engine_migrations execute function public.trap()`,
		},
		"old table of the engine": {
			installed: true,
			admin:     `drop table pgherald.migrations`,
			sql: `create table public.pgherald_engine_migrations (version bigint primary key, dirty boolean);
				insert into public.pgherald_engine_migrations values (99, false);
				create trigger t after insert or update or delete or truncate on public.pgherald_engine_migrations execute function public.trap()`,
			want: "not trusted",
		},
		"view instead of the old table": {
			installed: true,
			admin:     `drop table pgherald.migrations`,
			sql: `create function public.peek() returns bigint language plpgsql as $$ begin insert into public.trapped values (current_user); return 5; end $$;
				create view public.pgherald_engine_migrations as select public.peek() as version, false as dirty`,
			want: "not trusted",
		},
		"schema made in advance": {
			admin: `grant create on database DB to ROLE`,
			sql: `create schema pgherald;
				create table pgherald.migrations (set_name text primary key, version bigint, dirty boolean default false);
				create trigger t after insert or update or delete or truncate on pgherald.migrations execute function public.trap()`,
			want: "the schema pgherald belongs to",
		},
		"table in our schema": {
			installed: true,
			admin:     `grant usage, create on schema pgherald to ROLE`,
			sql:       `create table pgherald.notes (name text)`,
			want:      "pgherald.notes belongs to",
		},
		"function in our schema": {
			installed: true,
			admin:     `grant usage, create on schema pgherald to ROLE`,
			sql:       `create function pgherald.publish(text, text) returns bigint language sql as 'select 1::bigint'`,
			want:      "pgherald.publish belongs to",
		},
		"trigger on our table": {
			installed: true,
			admin:     `grant usage on schema pgherald to ROLE; grant trigger on all tables in schema pgherald to ROLE`,
			sql:       `create trigger t after insert on pgherald.events execute function public.trap()`,
			want:      "the trigger t on pgherald.events",
		},
		"rule on our table": {
			installed: true,
			admin:     `create rule r as on insert to pgherald.migrations do also insert into public.trapped values (current_user)`,
			sql:       `select`,
			want:      "the rule r on pgherald.migrations",
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			conn := pgtest.Connect(t, url)
			role := newRole(t, conn, "attacker", "")
			fill := strings.NewReplacer("ROLE", role, "DB", conn.Config().Database)
			pgtest.Exec(t, conn, `grant create on schema public to `+role)
			attacker := pgtest.Connect(t, as(t, url, role))
			pgtest.Exec(t, attacker, trapSQL)
			if tt.installed {
				if err := migrations.Up(t.Context(), url, migrations.Engine()); err != nil {
					t.Fatal(err)
				}
			}
			if tt.admin != "" {
				pgtest.Exec(t, conn, fill.Replace(tt.admin))
			}
			pgtest.Exec(t, attacker, fill.Replace(tt.sql))
			err := migrations.Up(t.Context(), url, migrations.Engine())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			wantNotTrapped(t, conn)
		})
	}
}

func wantNotTrapped(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if n := value[int](t, conn, `select count(*) from public.trapped`); n > 0 {
		t.Errorf("code of the attacker ran %d times, as %s", n, value[string](t, conn, `select string_agg(distinct who, ', ') from public.trapped`))
	}
}

// The role of the trigger functions has few rights, and goes with the last log of the cluster.
func TestWriterRole(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	if advice, err := migrations.RoleAdvice(t.Context(), url); err != nil || advice != "" {
		t.Errorf("advice %q, %v", advice, err)
	}
	pgtest.Exec(t, conn, `set role pgherald_writer`)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, data) values ('note', '1')`)
	for _, sql := range []string{
		`select data from pgherald.events`, `delete from pgherald.events`, `truncate pgherald.events`,
		`insert into pgherald.events (xid, type, data) values ('1', 'note', '1')`,
		`update pgherald.log set id = gen_random_uuid()`, `select * from pgherald.tickets`, `select * from public.activities`,
		`create table pgherald.mine ()`, `create or replace function pgherald.wake(payload json) returns void language sql as 'select'`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: got %v, want permission denied", sql, err)
		}
	}
	pgtest.Exec(t, conn, `reset role`)

	other := pgtest.EmptyDatabase(t)
	up(t, other)
	for i, url := range []string{url, other} {
		if err := migrations.Down(t.Context(), url, sets()...); err != nil {
			t.Fatal(err)
		}
		if remains, err := migrations.DropRole(t.Context(), url); err != nil || remains != (i == 0) {
			t.Errorf("database %d: the role remains: %t, %v", i, remains, err)
		}
	}
}

// A role that may not create roles migrates all the same, and learns what is missing.
func TestMigratorWithoutCreaterole(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	role := newRole(t, conn, "migrator", "")
	pgtest.Exec(t, conn, `create schema pgherald authorization `+role)
	roleURL := as(t, url, role)
	for range 2 {
		if err := migrations.Up(t.Context(), roleURL, migrations.Engine()); err != nil {
			t.Fatal(err)
		}
	}
	pgtest.Exec(t, pgtest.Connect(t, roleURL), `select pgherald.publish('note', '1')`)
	advice, err := migrations.RoleAdvice(t.Context(), roleURL)
	if err != nil || !strings.Contains(advice, "grant pgherald_writer to "+role) {
		t.Fatalf("advice %q, %v", advice, err)
	}
	pgtest.Exec(t, conn, advice)
	if err := migrations.Up(t.Context(), roleURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	if advice, err := migrations.RoleAdvice(t.Context(), roleURL); err != nil || advice != "" {
		t.Errorf("advice %q, %v", advice, err)
	}
	pgtest.Exec(t, pgtest.Connect(t, roleURL), `select pgherald.publish('note', '1')`)
	if err := migrations.Down(t.Context(), roleURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
}

// A role of this name with rights of its own is refused.
func TestWriterRoleWithRights(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	pgtest.Exec(t, conn, `alter role pgherald_writer superuser`)
	defer pgtest.Exec(t, conn, `alter role pgherald_writer nosuperuser`)
	if err := migrations.Up(t.Context(), url, sets()...); err == nil || !strings.Contains(err.Error(), "more rights") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// A role that may create roles needs no superuser. Since PostgreSQL 16 it does not become a full member of the roles
// that it creates.
func TestMigratorWithCreaterole(t *testing.T) {
	url := pgtest.NewCluster(t).EmptyDatabase(t) // no other database has created the role
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create role migrator login createrole; create schema pgherald authorization migrator; create table public.orders (id int primary key); alter table public.orders owner to migrator`)
	roleURL := as(t, url, "migrator")
	for range 2 {
		if err := migrations.Up(t.Context(), roleURL, migrations.Engine()); err != nil {
			t.Fatal(err)
		}
	}
	if advice, err := migrations.RoleAdvice(t.Context(), roleURL); err != nil || advice != "" {
		t.Errorf("advice %q, %v", advice, err)
	}
	migrator := pgtest.Connect(t, roleURL)
	spec, err := triggers.Parse([]byte("tables: [{name: public.orders, on: {insert: order_created, delete: order_deleted, truncate: as-deletes}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), migrator, spec); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, migrator, `insert into public.orders values (1); truncate public.orders; select pgherald.publish('note', '1')`)
	if n := value[int](t, migrator, `select count(*) from pgherald.events`); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	if owner := value[string](t, conn, `select string_agg(distinct proowner::regrole::text, ', ') from pg_proc where pronamespace = 'pgherald'::regnamespace and prorettype = 'trigger'::regtype and proname like 'public.%'`); owner != "pgherald_writer" {
		t.Errorf("the functions belong to %s", owner)
	}
	if _, err := triggers.DropAll(t.Context(), migrator); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Down(t.Context(), roleURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	if remains, err := migrations.DropRole(t.Context(), roleURL); err != nil || remains {
		t.Errorf("the role remains: %t, %v", remains, err)
	}
	if n := value[int](t, conn, `select count(*) from pg_roles where rolname = 'pgherald_writer'`); n != 0 {
		t.Error("the role remains")
	}
}
