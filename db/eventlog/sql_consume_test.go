package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/pgtest"
)

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// consume returns the keys of the events that a statement returns.
func consume(t *testing.T, conn querier, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return keys
}

func wantKeys(t *testing.T, conn querier, sql string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), consume(t, conn, sql)); diff != "" {
		t.Errorf("%s:\n%s", sql, diff)
	}
}

// wantSQLError runs a statement that must fail, and checks the SQLSTATE and a part of the message or the hint.
func wantSQLError(t *testing.T, conn *pgx.Conn, code, part, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Code != code || !strings.Contains(pg.Message+" "+pg.Hint, part) {
		t.Errorf("%s: got %v, want %s with %q", sql, err, code, part)
	}
}

const jobSQL = `select key from pgherald.consume('job')`

// TestConsume checks that a consumer receives each event in one transaction that commits, and where it begins.
func TestConsume(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, writer := pgtest.Connect(t, url), pgtest.Connect(t, url)
	emit(t, writer, "before", 1)
	wantKeys(t, conn, jobSQL)
	wantKeys(t, conn, `select key from pgherald.consume('historian', start => 'oldest')`, "before")
	emit(t, writer, "a", 1)
	emit(t, writer, "b", 1)
	wantKeys(t, conn, `select key from pgherald.consume('job', max => 1)`, "a")
	tx := pgtest.Begin(t, url)
	wantKeys(t, tx, jobSQL, "b")
	wantKeys(t, tx, jobSQL)
	wantKeys(t, conn, jobSQL) // the other session has it
	pgtest.Rollback(t, tx)
	wantKeys(t, conn, jobSQL, "b")
	wantKeys(t, conn, jobSQL)
	wantKeys(t, conn, `select key from pgherald.consume('historian')`, "a", "b")

	pgtest.Exec(t, conn, `select pgherald.reset_consumer('job', 'oldest')`)
	wantKeys(t, conn, jobSQL, "before", "a", "b")
	cursor := queryText(t, conn, `select pgherald.cursor()`)
	emit(t, writer, "c", 1)
	pgtest.Exec(t, conn, `select pgherald.reset_consumer('job')`)
	wantKeys(t, conn, jobSQL)
	wantKeys(t, conn, `select key from pgherald.consume('new', start => '`+cursor+`')`, "c")
	if got := queryText(t, conn, `select pgherald.drop_consumer('new')::text || pgherald.drop_consumer('new')::text`); got != "truefalse" {
		t.Errorf("dropped: %s", got)
	}
}

// TestConsumerSeesItsOwnWrites lets a consumer write events in the transaction in which it consumes. They come with the
// next call, as those of every other transaction do that is open meanwhile.
func TestConsumerSeesItsOwnWrites(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	wantKeys(t, conn, jobSQL)
	open, tx := pgtest.Begin(t, url), pgtest.Begin(t, url)
	emit(t, open, "open", 1)
	emit(t, tx, "own before", 1)
	emit(t, conn, "other", 1)
	wantKeys(t, tx, jobSQL, "other")
	emit(t, tx, "own after", 1)
	wantKeys(t, tx, jobSQL)
	cursor := queryText(t, tx.Conn(), `select pgherald.cursor()`)
	pgtest.Commit(t, tx)
	wantKeys(t, conn, jobSQL, "own before", "own after")
	pgtest.Commit(t, open)
	wantKeys(t, conn, jobSQL, "open") // its event is older, and it has committed later
	wantKeys(t, conn, `select key from pgherald.events_since('`+cursor+`')`, "open", "own before", "own after")
}

// TestConsumerOfARareType is not overtaken by pruning, although it receives nothing.
func TestConsumerOfARareType(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	const rare = `select key from pgherald.consume('rare', array['rare'])`
	wantKeys(t, conn, rare)
	cursor := queryText(t, conn, `select pgherald.cursor()`)
	emit(t, conn, "a", 3)
	wantKeys(t, conn, rare)
	awaitEnded(t, openPool(t, url)) // nothing is pruned beside transactions that run
	pgtest.Exec(t, conn, `with e as (delete from pgherald.events returning xid) update pgherald.log set pruned_below = ((select xid::text::bigint from e limit 1) + 1)::text::xid8`)
	wantKeys(t, conn, rare)
	pgtest.Exec(t, conn, `insert into pgherald.events (type, key, data) values ('rare', 'r', '1'), ('collection_reset', 'reset', '{}'), ('a', 'a', '1')`)
	wantKeys(t, conn, rare, "r", "reset")
	wantSQLError(t, conn, "PH003", "Load everything again", `select from pgherald.events_since($1)`, cursor)
	pgtest.Exec(t, conn, `update pgherald.log set pruned_below = pg_snapshot_xmin(pg_current_snapshot())`)
	pgtest.Exec(t, conn, `update pgherald.consumers set next = '5' where name = 'rare'`)
	wantSQLError(t, conn, "PH003", "pgherald.reset_consumer('rare')", rare)
	pgtest.Exec(t, conn, `select pgherald.reset_consumer('rare')`)
	wantKeys(t, conn, rare)
}

// TestSQLRefuses checks errors: their SQLSTATEs, and that they say what to do.
func TestSQLRefuses(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	emit(t, conn, "a", 1)
	now := queryText(t, conn, `select pgherald.cursor()`)
	epoch, _, _ := strings.Cut(now, "-")
	other := queryText(t, pgtest.Connect(t, pgtest.NewDatabase(t)), `select pgherald.cursor()`)
	for _, test := range []struct{ code, part, sql string }{
		{"PH001", "unchanged", `select from pgherald.events_since('x')`},
		{"PH001", "unchanged", `select from pgherald.events_since(null)`},
		{"PH001", "unchanged", `select from pgherald.events_since('` + strings.Repeat("a", 3000) + `')`},
		{"PH002", "another log", `select from pgherald.events_since('` + other + `')`},
		{"PH002", "another log", `select from pgherald.events_since('other-1')`},
		{"PH004", "future", `select from pgherald.events_since('` + epoch + `-zzzzzzz')`},
		{"22023", "max must", `select from pgherald.events_since('` + now + `', max => 0)`},
		{"22023", "max must", `select from pgherald.events_since('` + now + `', max => null)`},
		{"22023", "types must", `select from pgherald.events_since('` + now + `', '{}')`},
		{"22023", "1 to 200 bytes", `select from pgherald.consume('')`},
		{"22023", "1 to 200 bytes", `select from pgherald.consume(null)`},
		{"22023", "1 to 200 bytes", `select from pgherald.consume(repeat('é', 101))`},
		{"22023", "starts at", `select from pgherald.consume('x', start => 'yesterday')`},
		{"22023", "starts at", `select pgherald.reset_consumer('x', null)`},
		{"22023", "1 to 200 bytes", `select pgherald.reset_consumer('')`},
		{"PH002", "Start at now", `select from pgherald.consume('x', start => '` + other + `')`},
		{"PH004", "reset_consumer('it''s')", `select from pgherald.consume('it''s', start => '` + epoch + `-zzzzzzz')`},
	} {
		wantSQLError(t, conn, test.code, test.part, test.sql)
	}
	pgtest.Exec(t, conn, `select from pgherald.consume('job')`)
	pgtest.Exec(t, conn, `update pgherald.log set id = gen_random_uuid()`) // as a reset does
	wantSQLError(t, conn, "PH002", "reset_consumer('job')", jobSQL)
	wantSQLError(t, conn, "PH002", "another log", `select from pgherald.events_since($1)`, now)
	pgtest.Exec(t, conn, `update pgherald.log set pruned_below = '9000000000'`)
	wantSQLError(t, conn, "PH002", "another cluster", `select from pgherald.consume('historian', start => 'oldest')`)
}

// TestSQLXid compares xid() with the number that the log has.
func TestSQLXid(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	for _, sql := range []string{
		`with w as (insert into pgherald.events (type, data) values ('a', '1') returning xid) select (w.xid::text = pgherald.xid())::text from w`,
		`select (pgherald.xid() = pg_current_xact_id()::text)::text`,
	} {
		if got := queryText(t, conn, sql); got != "true" {
			t.Errorf("%s: got %s", sql, got)
		}
	}
}

// TestSQLSnapshot reads the cursor in one snapshot and another, with transactions that commit meanwhile.
func TestSQLSnapshot(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	open := pgtest.Begin(t, url)
	emit(t, open, "open", 1)
	reader := pgtest.Begin(t, url)
	if _, err := reader.Exec(t.Context(), `set transaction isolation level repeatable read`); err != nil {
		t.Fatal(err)
	}
	emit(t, conn, "a", 1)
	first := queryText(t, reader.Conn(), `select pgherald.cursor()`) // takes the snapshot
	pgtest.Commit(t, open)
	emit(t, conn, "b", 1)
	later := queryText(t, conn, `select pgherald.cursor()`)
	if got := queryText(t, reader.Conn(), `select pgherald.cursor()`); withoutLSN(t, got) != withoutLSN(t, first) {
		t.Errorf("one snapshot has the cursors %s and %s", first, got)
	}
	wantKeys(t, reader, `select key from pgherald.events_since('`+first+`')`)
	wantKeys(t, conn, `select key from pgherald.events_since('`+first+`')`, "open", "b")
	emit(t, conn, "c", 1)
	wantKeys(t, conn, `select key from pgherald.events_since('`+later+`')`, "c")
	for range 3 { // the snapshot of the reader ends before them
		emit(t, conn, "d", 1)
	}
	wantSQLError(t, reader.Conn(), "PH004", "older than the cursor", `select from pgherald.events_since($1)`, queryText(t, conn, `select pgherald.cursor()`))
}

// TestSQLSnapshotOfAStatement commits an event while a READ COMMITTED statement runs, before it comes to cursor(). The
// cursor is that of the statement's snapshot: the event comes after it.
func TestSQLSnapshotOfAStatement(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, reader := pgtest.Connect(t, url), pgtest.Connect(t, url)
	emit(t, conn, "before", 1)
	lock := pgtest.Begin(t, url)
	if _, err := lock.Exec(t.Context(), `select pg_advisory_xact_lock(1)`); err != nil {
		t.Fatal(err)
	}
	type result struct {
		events int
		cursor string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = reader.QueryRow(t.Context(), `
			select (select count(*) from pgherald.events), s.cursor
			from (select pg_advisory_lock(1)::text as locked offset 0) as l, lateral (select pgherald.cursor() as cursor where l.locked = '') as s`).Scan(&r.events, &r.cursor)
		done <- r
	}()
	pgtest.AwaitLockWait(t, conn, pgtest.LockWait{HasEnded: func() bool { return len(done) > 0 }})
	emit(t, conn, "after", 1)
	pgtest.Commit(t, lock)
	r := <-done
	if r.err != nil || r.events != 1 {
		t.Fatalf("%+v", r)
	}
	wantKeys(t, conn, `select key from pgherald.events_since('`+r.cursor+`')`, "after")
}
