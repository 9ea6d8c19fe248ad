package migrations_test

import (
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

// toOldLayout turns a database into one of an older pgherald, which stored the versions in tables of the schema
// that search_path named.
func toOldLayout(t *testing.T, conn *pgx.Conn, schema string) {
	t.Helper()
	for _, set := range []string{"engine", "workload"} {
		table := schema + ".pgherald_" + set + "_migrations"
		pgtest.Exec(t, conn, `create table `+table+` (version bigint not null primary key, dirty boolean not null)`)
		pgtest.Exec(t, conn, `insert into `+table+` select version, dirty from pgherald.migrations where set_name = '`+set+`'`)
	}
	pgtest.Exec(t, conn, `drop table pgherald.migrations`)
}

func status(t *testing.T, url string) []migrations.Status {
	t.Helper()
	st, err := migrations.StatusOf(t.Context(), url, sets()...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func wantCurrent(t *testing.T, url string) {
	t.Helper()
	for _, st := range status(t, url) {
		if !st.Current() {
			t.Errorf("%+v", st)
		}
	}
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// wantUsable publishes an event and writes an activity.
func wantUsable(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, `select pgherald.publish('note', '1')`)
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
}

const oldTablesLeft = `select count(*) from pg_class where relname like 'pgherald\_%\_migrations'`

// The tables of an older pgherald are moved, wherever search_path put them, and the data stays.
func TestOldTablesOfVersions(t *testing.T) {
	for name, schema := range map[string]string{"in public": "public", "elsewhere": `"App 1"`} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			conn := pgtest.Connect(t, url)
			up(t, url)
			wantUsable(t, conn)
			pgtest.Exec(t, conn, `create schema if not exists `+schema)
			toOldLayout(t, conn, schema)
			before := status(t, url)
			if before[0].Version == 0 || before[1].Version == 0 {
				t.Errorf("the old tables are not read: %+v", before)
			}
			up(t, url)
			wantCurrent(t, url)
			wantUsable(t, conn)
			if n := value[int](t, conn, `select count(*) from public.activities`); n != 2 {
				t.Errorf("%d activities, want 2", n)
			}
			if n := value[int](t, conn, oldTablesLeft); n != 0 {
				t.Errorf("%d old tables remain", n)
			}
		})
	}
}

// A changed search_path let an older pgherald create a second table, and fail. The version is the higher one.
func TestTwoOldTables(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	toOldLayout(t, conn, "public")
	pgtest.Exec(t, conn, `create schema a; create table a.pgherald_engine_migrations (version bigint not null primary key, dirty boolean not null)`)
	up(t, url)
	wantCurrent(t, url)
	if n := value[int](t, conn, oldTablesLeft); n != 0 {
		t.Errorf("%d old tables remain", n)
	}
}

// An older pgherald stopped half-way: the mark is moved too.
func TestOldTableHalfWay(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	toOldLayout(t, conn, "public")
	pgtest.Exec(t, conn, `update public.pgherald_workload_migrations set dirty = true`)
	if err := migrations.Up(t.Context(), url, sets()...); err == nil || !strings.Contains(err.Error(), "migrate repair") {
		t.Errorf("got %v, want the advice to repair", err)
	}
	if err := migrations.Repair(t.Context(), url, migrations.Engine(), 1); err == nil {
		t.Error("repaired the set that is in order")
	}
	if err := migrations.Repair(t.Context(), url, migrations.Workload(), 3); err != nil {
		t.Fatal(err)
	}
	up(t, url)
	wantCurrent(t, url)
}

// search_path may change at any time, and name schemas that do not exist.
func TestChangedSearchPath(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	for _, path := range []string{"nowhere", "other, public", `"$user"`, "pg_temp, other", ""} {
		pgtest.Exec(t, conn, `create schema if not exists other; alter database `+conn.Config().Database+` set search_path = `+quote(path))
		up(t, url)
		wantCurrent(t, url)
		pgtest.Exec(t, pgtest.Connect(t, url), `select pgherald.publish('note', '1')`)
	}
	if err := migrations.Down(t.Context(), url, sets()...); err != nil {
		t.Fatal(err)
	}
	up(t, url)
}

func quote(path string) string {
	if path == "" {
		return `''`
	}
	return path
}

// A DBA drops the schema public with the activities, or ours. Up creates what is missing.
func TestDroppedSchema(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	up(t, url)
	wantUsable(t, conn)
	pgtest.Exec(t, conn, `drop schema public cascade`)
	if st := status(t, url); st[0].Version == 0 || st[1].Version != 0 {
		t.Errorf("status without the schema public: %+v", st)
	}
	if err := migrations.Up(t.Context(), url, sets()...); err == nil || !strings.Contains(err.Error(), `schema "public" does not exist`) || !strings.Contains(err.Error(), "create that schema") {
		t.Errorf("got %v, want advice about the schema public", err)
	}
	if n := value[int](t, conn, `select count(*) from pgherald.events`); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	pgtest.Exec(t, conn, `create schema public`)
	up(t, url)
	wantUsable(t, conn)
	pgtest.Exec(t, conn, `drop schema pgherald cascade`)
	if err := migrations.Up(t.Context(), url, sets()...); err == nil || !strings.Contains(err.Error(), "migrate repair workload") {
		t.Errorf("got %v, want the advice to repair", err)
	}
	if st := status(t, url); !st[1].Unknown {
		t.Errorf("status: %+v", st[1])
	}
	for _, version := range []uint{0, 99} {
		if err := migrations.Repair(t.Context(), url, migrations.Workload(), version); err == nil {
			t.Errorf("repaired to version %d", version)
		}
	}
	if err := migrations.Repair(t.Context(), url, migrations.Workload(), 3); err != nil {
		t.Fatal(err)
	}
	up(t, url)
	wantUsable(t, conn)
}

// dumpSchema copies one schema to another database, as pg_dump --schema does.
func dumpSchema(t *testing.T, from, to, schema string) {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil {
		t.Skip("find pg_dump: not installed")
	}
	out, err := exec.CommandContext(t.Context(), program, "--schema="+schema, "--dbname="+from).Output()
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Psql(t, to, strings.ReplaceAll(string(out), "CREATE SCHEMA public;", ""))
}

func TestDumpOfOneSchema(t *testing.T) {
	if pgtest.Version(t) > 15 {
		t.Skip("pg_dump is older than the server")
	}
	from := pgtest.EmptyDatabase(t)
	up(t, from)
	wantUsable(t, pgtest.Connect(t, from))
	for name, want := range map[string]struct {
		schema, advice string
		repair         bool
	}{
		"ours":   {schema: "pgherald"},
		"public": {schema: "public", advice: "migrate repair workload", repair: true},
	} {
		t.Run(name, func(t *testing.T) {
			to := pgtest.EmptyDatabase(t)
			dumpSchema(t, from, to, want.schema)
			err := migrations.Up(t.Context(), to, sets()...)
			if want.advice == "" && err != nil || want.advice != "" && (err == nil || !strings.Contains(err.Error(), want.advice)) {
				t.Fatalf("got %v, want %q", err, want.advice)
			}
			if want.repair {
				if err := migrations.Repair(t.Context(), to, migrations.Workload(), 3); err != nil {
					t.Fatal(err)
				}
				up(t, to)
			}
			wantCurrent(t, to)
			wantUsable(t, pgtest.Connect(t, to))
		})
	}
}

// as returns the URL of the database for another role.
func as(t *testing.T, databaseURL, role string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

// newRole creates a role that may log in, whose name only this database uses.
func newRole(t *testing.T, conn *pgx.Conn, suffix, options string) string {
	t.Helper()
	role := conn.Config().Database + "_" + suffix
	pgtest.Exec(t, conn, `create role `+role+` login `+options)
	t.Cleanup(func() {
		pgtest.Exec(t, conn, `drop owned by `+role+` cascade`)
		pgtest.Exec(t, conn, `drop role `+role)
	})
	return role
}

// Since PostgreSQL 15 a role may not create anything in the schema public. The engine needs no such right.
func TestNoRightOnThePublicSchema(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	role := newRole(t, conn, "migrator", "")
	pgtest.Exec(t, conn, `revoke create on schema public from public; grant create on database `+conn.Config().Database+` to `+role)
	roleURL := as(t, url, role)
	if err := migrations.Up(t.Context(), roleURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	err := migrations.Up(t.Context(), roleURL, sets()...)
	if err == nil || !strings.Contains(err.Error(), "permission denied for schema public") || !strings.Contains(err.Error(), "privileges.md") {
		t.Errorf("got %v, want advice about the right", err)
	}
	pgtest.Exec(t, conn, `grant create on schema public to `+role)
	up(t, roleURL)
	wantCurrent(t, roleURL)
	if err := migrations.Down(t.Context(), roleURL, sets()...); err != nil {
		t.Fatal(err)
	}
}

// A DBA may create the schema for a role that may create nothing in the database.
func TestSchemaMadeInAdvance(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	role := newRole(t, conn, "migrator", "")
	pgtest.Exec(t, conn, `create schema pgherald authorization `+role)
	if err := migrations.Up(t.Context(), as(t, url, role), migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, pgtest.Connect(t, as(t, url, role)), `select pgherald.publish('note', '1')`)
	if err := migrations.Down(t.Context(), as(t, url, role), migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	if made := objects(t, conn); len(made) > 0 {
		t.Errorf("left: %v", made)
	}
}

// migrate show prints what up would run: from the beginning, and from the version of an older pgherald.
func TestScript(t *testing.T) {
	fresh, err := migrations.Script(t.Context(), "", sets()...)
	if err != nil {
		t.Fatal(err)
	}
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Psql(t, url, fresh)
	wantCurrent(t, url)
	wantUsable(t, conn)
	byUp := pgtest.EmptyDatabase(t)
	up(t, byUp)
	sameObjects(t, pgtest.Connect(t, byUp), conn)

	again, err := migrations.Script(t.Context(), url, sets()...)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(again, "create table") {
		t.Errorf("the script for a current database creates tables:\n%s", again)
	}
	pgtest.Psql(t, url, again)
	wantCurrent(t, url)

	toOldLayout(t, conn, "public")
	old, err := migrations.Script(t.Context(), url, sets()...)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Psql(t, url, old)
	wantCurrent(t, url)
	wantUsable(t, conn)
	sameObjects(t, pgtest.Connect(t, byUp), conn)
	if matches, _ := filepath.Glob("after/*.sql"); len(matches) != len(sets()) {
		t.Errorf("%d files that follow the migrations, %d sets", len(matches), len(sets()))
	}
}

func sameObjects(t *testing.T, want, got *pgx.Conn) {
	t.Helper()
	if w, g := strings.Join(objects(t, want), "\n"), strings.Join(objects(t, got), "\n"); w != g {
		t.Errorf("want objects\n%s\ngot\n%s", w, g)
	}
}
