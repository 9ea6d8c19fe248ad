package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
)

// latestEngine returns the version of this program.
func latestEngine(t *testing.T) uint {
	t.Helper()
	ups, err := fs.Glob(migrations.Engine().Files(), "*.up.sql")
	if err != nil {
		t.Fatal(err)
	}
	return uint(len(ups))
}

// newerEngine returns the engine of a newer program, with one more migration.
func newerEngine(t *testing.T, sql string) migrations.Set {
	t.Helper()
	files := fstest.MapFS{}
	for _, pattern := range []string{"*.up.sql", "*.down.sql"} {
		names, err := fs.Glob(migrations.Engine().Files(), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(migrations.Engine().Files(), name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: text}
		}
	}
	name := fmt.Sprintf("%04d_newer", latestEngine(t)+1)
	files[name+".up.sql"] = &fstest.MapFile{Data: []byte(sql)}
	files[name+".down.sql"] = &fstest.MapFile{Data: []byte("drop table pgherald.newer;")}
	return migrations.Engine().WithFiles(files)
}

const newerTable = `create table pgherald.newer (id int);`

func compatibleSQL(from uint) string {
	return fmt.Sprintf("-- compatible-from: %d\n%s", from, newerTable)
}

// Every migration since the column exists says with which older programs it works, or is known to need a new one.
func TestMigrationsAreCompatible(t *testing.T) {
	needNew := map[string]bool{}
	for v := uint(14); v <= latestEngine(t); v++ {
		names, err := fs.Glob(migrations.Engine().Files(), fmt.Sprintf("%04d_*.up.sql", v))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		text, err := fs.ReadFile(migrations.Engine().Files(), names[0])
		if err != nil {
			t.Fatal(err)
		}
		if says := strings.HasPrefix(string(text), "-- compatible-from: "); says == needNew[names[0]] {
			t.Errorf("engine/%s: begin it with \"-- compatible-from: %d\" if programs of that version work with it, or list it here", names[0], v-1)
		}
	}
}

// An older program works beside a newer one whose migrations allow that: it changes nothing, in any order of starts.
func TestOlderProgramBesideANewerOne(t *testing.T) {
	latest := latestEngine(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	newer := newerEngine(t, compatibleSQL(latest))
	for _, set := range []migrations.Set{migrations.Engine(), newer, migrations.Engine(), newer, migrations.Engine()} {
		if err := migrations.Up(t.Context(), url, set, migrations.Workload()); err != nil {
			t.Fatal(err)
		}
		wantUsable(t, conn)
	}
	st := status(t, url)[0]
	if st.Version != latest+1 || st.Latest != latest || !st.IsCompatible() || st.Current() {
		t.Errorf("got status %+v", st)
	}
	script, err := migrations.Script(t.Context(), url, sets()...)
	if err != nil || !strings.Contains(script, "Nothing to do") {
		t.Errorf("show prints %v\n%s", err, script)
	}
	pgtest.Psql(t, url, script)
	for what, err := range map[string]error{
		"down":   migrations.Down(t.Context(), url, migrations.Engine()),
		"check":  migrations.CheckDown(t.Context(), url, migrations.Engine()),
		"repair": migrations.Repair(t.Context(), url, migrations.Engine(), latest),
	} {
		if err == nil || !strings.Contains(err.Error(), "a newer pgherald made the tables") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if n := value[int](t, conn, `select version from pgherald.migrations where set_name = 'engine'`); uint(n) != latest+1 {
		t.Errorf("the version became %d", n)
	}
	if err := migrations.Down(t.Context(), url, newer); err != nil {
		t.Errorf("the newer program cannot remove its tables: %v", err)
	}
}

// An older program refuses tables that it would not understand, and says what to do.
func TestOlderProgramRefusesTables(t *testing.T) {
	latest := latestEngine(t)
	for name, sql := range map[string]string{"says so": compatibleSQL(latest + 1), "says nothing": newerTable} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			if err := migrations.Up(t.Context(), url, newerEngine(t, sql)); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("have version %d, which needs a program that knows version %d, and this one knows %d only: use a newer pgherald", latest+1, latest+1, latest)
			_, scriptErr := migrations.Script(t.Context(), url, migrations.Engine())
			for what, err := range map[string]error{"up": migrations.Up(t.Context(), url, sets()...), "show": scriptErr} {
				var newer *migrations.NewerError
				if !errors.As(err, &newer) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %s", what, err, want)
				}
			}
			if st := status(t, url)[0]; st.IsCompatible() || !st.IsNewer() {
				t.Errorf("got status %+v", st)
			}
		})
	}
}

// The table of versions of an older program lacks the column. What Up and the script add is the same.
func TestCompatibleFromIsAdded(t *testing.T) {
	for _, way := range []string{"up", "script"} {
		t.Run(way, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			conn := pgtest.Connect(t, url)
			up(t, url)
			pgtest.Exec(t, conn, `alter table pgherald.migrations drop column compatible_from`)
			wantCurrent(t, url)
			up(t, url)                                 // nothing to do
			newer := newerEngine(t, compatibleSQL(13)) // an earlier migration needs a newer program
			if way == "up" {
				if err := migrations.Up(t.Context(), url, newer, migrations.Workload()); err != nil {
					t.Fatal(err)
				}
			} else {
				script, err := migrations.Script(t.Context(), url, newer, migrations.Workload())
				if err != nil {
					t.Fatal(err)
				}
				pgtest.Psql(t, url, script)
			}
			if from := value[int](t, conn, `select compatible_from from pgherald.migrations where set_name = 'engine'`); from != 17 {
				t.Errorf("compatible from %d, want 17", from)
			}
		})
	}
}

// interruptedSQL is a migration that stops after its first half, until a lock is free.
const interruptedSQL = newerTable + `
select pg_advisory_xact_lock(4711);
insert into pgherald.newer values (1);`

// blocked selects the session that waits for the lock, in this database alone: other tests have others.
const blocked = `
from pg_locks as l
join pg_database as d on d.oid = l.database
where l.locktype = 'advisory' and l.objid = 4711 and not l.granted and d.datname = current_database()`

// TestMigrateInAProcess is the process that TestInterruptedMigration interrupts.
func TestMigrateInAProcess(t *testing.T) {
	url := os.Getenv("PGHERALD_TEST_MIGRATE_URL")
	if url == "" {
		t.Skip("run by TestInterruptedMigration")
	}
	if err := migrations.Up(t.Context(), url, newerEngine(t, interruptedSQL)); err != nil {
		t.Fatal(err)
	}
}

// A migration that is interrupted half-way leaves nothing, and the next one succeeds.
func TestInterruptedMigration(t *testing.T) {
	for name, interrupt := range map[string]func(t *testing.T, conn *pgx.Conn, process *os.Process){
		"backend terminated": func(t *testing.T, conn *pgx.Conn, _ *os.Process) {
			pgtest.Exec(t, conn, `select pg_terminate_backend(pid) `+blocked)
		},
		"process killed": func(t *testing.T, _ *pgx.Conn, process *os.Process) {
			if err := process.Kill(); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.EmptyDatabase(t)
			conn := pgtest.Connect(t, url)
			up(t, url)
			before := objects(t, conn)
			pgtest.Exec(t, conn, `select pg_advisory_lock(4711)`)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			process := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMigrateInAProcess$")
			process.Env = append(os.Environ(), "PGHERALD_TEST_MIGRATE_URL="+url)
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			for !value[bool](t, conn, `select exists (select `+blocked+`)`) {
				if ctx.Err() != nil {
					t.Fatal("the migration does not begin")
				}
			}
			interrupt(t, conn, process.Process)
			if err := process.Wait(); err == nil {
				t.Error("the interrupted migration succeeded")
			}
			pgtest.Exec(t, conn, `select pg_advisory_unlock(4711)`)
			if err := migrations.Up(t.Context(), url, newerEngine(t, interruptedSQL)); err != nil {
				t.Fatal(err)
			}
			if n := value[int](t, conn, `select count(*) from pgherald.newer`); n != 1 {
				t.Errorf("%d rows, want those of one migration", n)
			}
			if err := migrations.Down(t.Context(), url, migrations.Workload(), newerEngine(t, interruptedSQL)); err != nil {
				t.Fatal(err)
			}
			up(t, url)
			if after := objects(t, conn); strings.Join(before, "\n") != strings.Join(after, "\n") {
				t.Errorf("had %q, has %q", before, after)
			}
		})
	}
}
