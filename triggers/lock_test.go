package triggers_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// abc holds three tables, of which one is partitioned.
const abc = `
create table public.a (id bigint generated always as identity primary key);
create table public.b (id bigint generated always as identity primary key) partition by hash (id);
create table public.b_0 partition of public.b for values with (modulus 2, remainder 0);
create table public.b_1 partition of public.b for values with (modulus 2, remainder 1);
create table public.c (id bigint generated always as identity primary key);
`

const abcSpec = `
tables:
  - { name: public.a, on: { insert: a_created, delete: a_deleted } }
  - { name: public.b, on: { insert: b_created, delete: b_deleted } }
  - { name: public.c, on: { insert: c_created, delete: c_deleted } }
`

// patience is the time after which a session in these tests that waits for a lock fails. It is far above the time that an
// attempt takes, which may wait for 1.6 s on a slow machine, and may stand still with its locks. The long transactions here are open
// until the sessions have gone on or have failed.
const patience = `set lock_timeout = '60s'`

// traffic runs statements on connections of their own, over and over, and counts them. Each must succeed
// within patience.
type traffic struct {
	t     *testing.T
	stop  chan struct{}
	ended sync.Once
	done  sync.WaitGroup
	count atomic.Int64
}

func (b *testBed) traffic(t *testing.T, statements ...string) *traffic {
	t.Helper()
	f := &traffic{t: t, stop: make(chan struct{})}
	for _, sql := range statements {
		conn := pgtest.Connect(t, b.url)
		pgtest.Exec(t, conn, patience)
		f.done.Go(func() { f.run(conn, sql) })
	}
	t.Cleanup(f.end) // before the connections are closed
	return f
}

func (f *traffic) run(conn *pgx.Conn, sql string) {
	for {
		select {
		case <-f.stop:
			return
		default:
		}
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			f.t.Errorf("%s: %v", sql, err)
			return
		}
		f.count.Add(1)
	}
}

func (f *traffic) end() {
	f.ended.Do(func() {
		close(f.stop)
		f.done.Wait()
		if f.count.Load() == 0 {
			f.t.Error("no statement ran")
		}
	})
}

// waits returns an option that sends each wait to the channel.
func waits() (triggers.Option, <-chan *triggers.BusyError) {
	seen := make(chan *triggers.BusyError, 1000)
	return triggers.OnWait(func(busy *triggers.BusyError) { seen <- busy }), seen
}

// A long transaction keeps Apply and Drop from a table for many attempts. Meanwhile no other session waits, on this
// table or on the others, and as soon as the transaction ends, they succeed.
func TestNoSessionWaitsBehindApplyOrDrop(t *testing.T) {
	for name, c := range map[string]struct {
		installed bool
		long      string // blocks the locks
		do        func(*testBed, ...triggers.Option) error
	}{
		"apply, a writer of the last table":       {false, `insert into public.c default values`, applyABC},
		"apply, a writer of the first table":      {false, `insert into public.a default values`, applyABC},
		"apply, a writer of one partition":        {false, `delete from public.b_1`, applyABC},
		"drop, a reader":                          {true, `select from public.c`, dropABC},
		"drop, a reader of one partition":         {true, `select from public.b_0`, dropABC},
		"apply, a vacuum, index build or ANALYZE": {false, `lock table public.b_1 in share update exclusive mode`, applyABC},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, abc)
			if c.installed {
				b.apply(parse(t, abcSpec))
			}
			long := pgtest.Connect(t, b.url)
			pgtest.Exec(t, long, `begin; `+c.long)
			f := b.traffic(t, `insert into public.a default values`, `insert into public.b default values`,
				`insert into public.c default values`, `select count(*) from (select from public.a limit 1) as one`,
				`select count(*) from (select from public.b limit 1) as one`, `delete from public.c where id < 0`)
			option, seen := waits()
			result := make(chan error, 1)
			go func() { result <- c.do(b, option, triggers.LockTimeout(time.Hour)) }()
			attempts := 4
			if strings.Contains(name, "vacuum") {
				attempts = 1 // it waits for that, without others behind it
			}
			for range attempts {
				select {
				case <-seen:
				case err := <-result:
					t.Fatalf("it ended while the table was in use: %v", err)
				}
			}
			before := f.count.Load()
			for f.count.Load() < before+100 && !t.Failed() { // traffic goes on
				pgtest.Exec(t, long, `select`)
			}
			pgtest.Exec(t, long, `commit`)
			if err := <-result; err != nil {
				t.Error(err)
			}
			f.end()
		})
	}
}

func applyABC(b *testBed, opts ...triggers.Option) error {
	_, err := triggers.Apply(b.t.Context(), b.conn, parse(b.t, abcSpec), opts...)
	return err
}

func dropABC(b *testBed, opts ...triggers.Option) error {
	_, err := triggers.DropAll(b.t.Context(), b.conn, opts...)
	return err
}

// Under load that never pauses, with transactions shorter than an attempt, Apply finds its moment.
func TestApplyUnderLoad(t *testing.T) {
	b := open(t, abc)
	writes := make([]string, 0, 12)
	for range 4 {
		writes = append(writes, `insert into public.a default values`, `insert into public.b default values`,
			`begin; insert into public.c default values; select pg_sleep(0.01); commit`)
	}
	f := b.traffic(t, writes...)
	b.apply(parse(t, abcSpec))
	if _, err := triggers.DropAll(t.Context(), b.conn); err != nil {
		t.Error(err)
	}
	f.end()
}

func TestTheErrorNamesTheTableAndTheHolder(t *testing.T) {
	b := open(t, abc)
	long := pgtest.Connect(t, b.url)
	pgtest.Exec(t, long, `set application_name = 'nightly report'; begin; insert into public.b values (default)`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, abcSpec), triggers.LockTimeout(10*time.Millisecond))
	if err == nil {
		t.Fatal("apply took a lock that another session held")
	}
	contains(t, err.Error(), "apply triggers: lock the tables: they stayed in use by other transactions",
		"public.b", fmt.Sprintf("by pid %d (nightly report, idle in transaction, role ", long.PgConn().PID()), "open for ", "--lock-timeout")
	pgtest.Exec(t, long, `commit`)
	b.apply(parse(t, abcSpec)) // the connection is still usable
}

// An attempt to validate the spec also waits, behind a migration for example.
func TestApplyNamesTheHolderThatKeepsItFromReading(t *testing.T) {
	b := open(t, abc)
	long := pgtest.Connect(t, b.url)
	pgtest.Exec(t, long, `set application_name = 'migration'; begin; alter table public.c add column x int`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, abcSpec), triggers.LockTimeout(10*time.Millisecond))
	if err == nil {
		t.Fatal("apply read a table that another session had locked")
	}
	contains(t, err.Error(), "public.c by pid", "(migration, idle in transaction")
}

func TestApplyNamesAPreparedTransaction(t *testing.T) {
	b := open(t, abc)
	if b.one(`show max_prepared_transactions`) == "0" {
		t.Skip("needs max_prepared_transactions")
	}
	b.exec(`begin; insert into public.a default values; prepare transaction 'left behind'`)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, abcSpec), triggers.LockTimeout(10*time.Millisecond))
	if err == nil {
		t.Fatal("apply took a lock that a prepared transaction held")
	}
	contains(t, err.Error(), "public.a by a prepared transaction")
	b.exec(`rollback prepared 'left behind'`)
}

// A role that may create triggers on a table, but not write to it, may not lock it explicitly.
func TestApplyWithTheRightToCreateTriggersOnly(t *testing.T) {
	b := open(t, abc)
	role := b.role("applier")
	b.exec(`
		grant select, trigger on public.a to ` + role + `;
		alter schema pgherald owner to ` + role + `;
		grant all on all tables in schema pgherald to ` + role + `;
		grant pgherald_writer to ` + role)
	long := pgtest.Connect(t, b.url)
	pgtest.Exec(t, long, `begin; insert into public.a default values`)
	b.become(role)
	spec := parse(t, `tables: [{ name: public.a, key: id, on: { insert: a_created }, payload: { x: 1 } }]`)
	_, err := triggers.Apply(t.Context(), b.conn, spec, triggers.LockTimeout(10*time.Millisecond))
	if err == nil {
		t.Fatal("apply took a lock that another session held")
	}
	contains(t, err.Error(), "public.a by pid")
	pgtest.Exec(t, long, `commit`)
	b.apply(spec)
}

// The timeouts of a role or a session do not end Apply, and Apply does not change them.
func TestApplyKeepsTheTimeoutsOfTheSession(t *testing.T) {
	b := open(t, abc)
	b.exec(`set statement_timeout = '77s'; set lock_timeout = '78s'`)
	b.apply(parse(t, abcSpec))
	if got := b.one(`select concat(current_setting('statement_timeout'), ' ', current_setting('lock_timeout'))`); got != "77s 78s" {
		t.Errorf("timeouts after apply: %s", got)
	}
}

// Tables that no transaction uses get their triggers, however long it takes to lock them all: after an attempt that
// fails without a transaction in its way, the next one has more time, even if the lock timeout is over.
func TestManyTablesAreLocked(t *testing.T) {
	var tables, spec strings.Builder
	spec.WriteString("tables:\n")
	for i := range 60 {
		fmt.Fprintf(&tables, "create table public.many_%d (id int primary key);\n", i)
		fmt.Fprintf(&spec, "  - { name: public.many_%d, on: { insert: created_%d } }\n", i, i)
	}
	b := open(t, tables.String())
	// An attempt of a millisecond is too short to parse the statement.
	changes, err := triggers.Apply(t.Context(), b.conn, parse(t, spec.String()), triggers.LockWait(time.Millisecond), triggers.LockTimeout(time.Millisecond))
	if err != nil || len(changes) < 60 {
		t.Errorf("made %d changes: %v", len(changes), err)
	}
}
