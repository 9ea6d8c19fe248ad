package migrations_test

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }

func sets() []migrations.Set { return []migrations.Set{migrations.Engine(), migrations.Workload()} }

// golang-migrate ignores a file whose name does not match its pattern.
func TestFilesComeInPairs(t *testing.T) {
	name := regexp.MustCompile(`^(\d{4})_[a-z_]+\.(up|down)\.sql$`)
	for _, set := range sets() {
		entries, err := fs.ReadDir(set.Files(), ".")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string][]int{}
		for _, e := range entries {
			match := name.FindStringSubmatch(e.Name())
			if match == nil {
				t.Fatalf("golang-migrate would ignore %s/%s", set.Name, e.Name())
			}
			version, _ := strconv.Atoi(match[1])
			found[match[2]] = append(found[match[2]], version)
		}
		if diff := cmp.Diff(found["up"], found["down"]); diff != "" {
			t.Errorf("%s: not every migration has an up and a down file:\n%s", set.Name, diff)
		}
		for i, version := range found["up"] {
			if version != i+1 {
				t.Errorf("%s: version %d follows version %d", set.Name, version, i)
			}
		}
	}
}

const objectsSQL = `
select 'relation ' || oid::regclass::text from pg_class where relnamespace::regnamespace::text in ('public', 'pgherald')
union all
select 'function ' || oid::regprocedure::text from pg_proc where pronamespace::regnamespace::text in ('public', 'pgherald')
union all
select 'schema ' || nspname from pg_namespace where nspname = 'pgherald'
union all
select 'trigger ' || tgname || ' on ' || tgrelid::regclass::text from pg_trigger where not tgisinternal
order by 1`

func objects(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), objectsSQL)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func up(t *testing.T, url string) {
	t.Helper()
	if err := migrations.Up(t.Context(), url, sets()...); err != nil {
		t.Fatal(err)
	}
}

func TestUpAndDown(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	// The application has its own migrations and a watched table.
	pgtest.Exec(t, conn, `create table schema_migrations (version bigint)`)
	pgtest.Exec(t, conn, `create table orders (id int primary key)`)
	before := objects(t, conn)
	up(t, url)
	made := objects(t, conn)
	up(t, url)
	if diff := cmp.Diff(made, objects(t, conn)); diff != "" {
		t.Errorf("a second up is not a no-op:\n%s", diff)
	}
	spec, err := triggers.Parse([]byte("tables: [{name: public.orders, on: {insert: order_created}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Down(t.Context(), url, sets()...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, objects(t, conn)); diff != "" {
		t.Errorf("down does not undo up:\n%s", diff)
	}
	up(t, url)
}

func TestConcurrentUp(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	var running sync.WaitGroup
	for range 5 {
		running.Go(func() {
			if err := migrations.Up(context.Background(), url, sets()...); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

// TestStatusDuringUp reads the status again and again while another process migrates: its commit falls between two statements of one
// of the reads.
func TestStatusDuringUp(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	migrated := make(chan error, 1)
	go func() { migrated <- migrations.Up(context.Background(), url, migrations.Engine()) }()
	for done := false; !done; {
		select {
		case err := <-migrated:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
		}
		if st, err := migrations.StatusOf(t.Context(), url, migrations.Engine()); err != nil || st[0].Unknown {
			t.Fatalf("status %+v, %v", st, err)
		}
	}
}

func TestStatusAndRepair(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	status := func() []migrations.Status {
		t.Helper()
		st, err := migrations.StatusOf(t.Context(), url, sets()...)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := status()[0]; st.Version != 0 || st.Current() {
		t.Errorf("status of an empty database: %+v", st)
	}
	if made := objects(t, conn); len(made) > 0 {
		t.Errorf("reading the status created %v", made)
	}
	up(t, url)
	if st := status()[0]; !st.Current() {
		t.Errorf("status after up: %+v", st)
	}
	pgtest.Exec(t, conn, `update pgherald.migrations set dirty = true where set_name = 'engine'`)
	if err := migrations.Up(t.Context(), url, sets()...); !errors.Is(err, migrations.ErrDirty) {
		t.Errorf("got %v after a migration that stopped half-way, want ErrDirty", err)
	}
	latest := status()[0].Latest
	if err := migrations.Repair(t.Context(), url, migrations.Engine(), latest+1); err == nil {
		t.Error("repaired to a version that does not exist")
	}
	if err := migrations.Repair(t.Context(), url, migrations.Engine(), latest); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Repair(t.Context(), url, migrations.Engine(), latest); err == nil {
		t.Error("repaired a set that is in order")
	}
	up(t, url)
}

// oldWorkload brings a database to version 2 of the workload, as an older pgherald left it.
func oldWorkload(t *testing.T, url string, conn *pgx.Conn) {
	t.Helper()
	if err := migrations.Up(t.Context(), url, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"0001_activities", "0002_touch"} {
		sql, err := fs.ReadFile(migrations.Workload().Files(), name+".up.sql")
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, conn, string(sql))
	}
	pgtest.Exec(t, conn, `create table pgherald_workload_migrations (version bigint not null primary key, dirty boolean not null)`)
	pgtest.Exec(t, conn, `insert into pgherald_workload_migrations values (2, false)`)
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
}

// Users may have added objects to the activities that prevent a change of the columns' types.
func TestActivitiesWithUserObjects(t *testing.T) {
	for name, sql := range map[string]string{
		"nothing":          `select`,
		"policy":           `create policy own on public.activities using (reporter = current_setting('pgherald.user', true))`,
		"view":             `create view public.reporters as select reporter from public.activities`,
		"generated column": `alter table public.activities add search text generated always as (lower(category)) stored`,
		"index":            `create index on public.activities (lower(location))`,
		"trigger": `create trigger mine before update of status on public.activities for each row
			when (old.status <> new.status) execute function public.activities_touch()`,
		"enum": `create type public.state as enum ('open');
			alter table public.activities drop constraint activities_status_check, alter status drop default, alter status type public.state using 'open'`,
		"no check, and a row that violates it": `alter table public.activities drop constraint activities_location_check;
			update public.activities set location = ''`,
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			conn := pgtest.Connect(t, url)
			oldWorkload(t, url, conn)
			pgtest.Exec(t, conn, sql)
			file := filenode(t, conn)
			up(t, url)
			if now := filenode(t, conn); now != file {
				t.Error("the table was rewritten")
			}
			const empty = `insert into public.activities (category, subcategory, location, status, reporter) values ('', 's', 'l', 'open', 'r')`
			var pg *pgconn.PgError
			if _, err := conn.Exec(t.Context(), empty); !errors.As(err, &pg) || pg.Code != pgerrcode.CheckViolation {
				t.Errorf("an empty category: got %v, want a check violation", err)
			}
			pgtest.Exec(t, conn, `drop view if exists public.reporters`)
			if err := migrations.Down(t.Context(), url, sets()...); err != nil {
				t.Error(err)
			}
			up(t, url)
		})
	}
}

func filenode(t *testing.T, conn *pgx.Conn) (node uint32) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `select pg_relation_filenode('public.activities')`).Scan(&node); err != nil {
		t.Fatal(err)
	}
	return node
}

// PostgreSQL undoes a file that fails. The set needs no repair, and the next attempt continues with that file.
func TestFailedFileChangesNothing(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	oldWorkload(t, url, conn)
	pgtest.Exec(t, conn, `create domain public.activity_category as text`) // conflicts with the last file
	for range 2 {
		err := migrations.Up(t.Context(), url, sets()...)
		if err == nil || !strings.Contains(err.Error(), `type "activity_category" already exists`) || strings.Contains(err.Error(), "alter table") {
			t.Fatalf("got %v, want the conflict without the text of the file", err)
		}
	}
	pgtest.Exec(t, conn, `drop domain public.activity_category`)
	up(t, url)

	pgtest.Exec(t, conn, `create view public.reporters as select reporter from public.activities`)
	if err := migrations.Down(t.Context(), url, sets()...); err == nil {
		t.Fatal("down dropped a table that a view uses")
	}
	pgtest.Exec(t, conn, `drop view public.reporters`)
	if err := migrations.Down(t.Context(), url, sets()...); err != nil {
		t.Fatal(err)
	}
}

// A version that cannot be written undoes the file too, and leaves none of golang-migrate's goroutines behind: Main
// looks for them.
func TestFailedVersionChangesNothing(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	if err := migrations.Up(t.Context(), url, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `alter table pgherald.migrations add constraint no_workload check (set_name <> 'workload')`)
	if err := migrations.Up(t.Context(), url, sets()...); err == nil || !strings.Contains(err.Error(), "no_workload") {
		t.Fatalf("got %v, want the error of the constraint", err)
	}
	pgtest.Exec(t, conn, `alter table pgherald.migrations drop constraint no_workload`)
	up(t, url)
}
