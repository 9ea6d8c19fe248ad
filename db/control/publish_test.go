package control_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// readLog returns the log, one line per event.
func readLog(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select concat_ws(' ', id, type, coalesce(key, '-'), coalesce(audience::text, '-'), data::text)
		from pgherald.events order by id`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestPublishIsTransactional checks that an event is visible when its transaction commits, and never after
// a rollback.
func TestPublishIsTransactional(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, listening := pgtest.Connect(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, listening, `listen pgherald; select pg_advisory_lock_shared(`+strconv.FormatInt(notify.ListenerLock, 10)+`)`)
	lost, kept := pgtest.Begin(t, url), pgtest.Begin(t, url)
	for _, tx := range []pgx.Tx{lost, kept} {
		if _, err := tx.Exec(t.Context(), `select pgherald.publish('note', '{"a": 1}')`); err != nil {
			t.Fatal(err)
		}
	}
	if got := readLog(t, conn); len(got) > 0 {
		t.Errorf("before the commit: %v", got)
	}
	pgtest.Rollback(t, lost)
	var id int64
	const named = `select pgherald.publish(type => 'note', data => 'null', audience => array['user:1', null], key => 'k')`
	if err := kept.QueryRow(t.Context(), named).Scan(&id); err != nil {
		t.Fatal(err)
	}
	pgtest.Commit(t, kept)
	want := []string{`2 note - - {"a": 1}`, `3 note k {user:1,NULL} null`}
	if diff := cmp.Diff(want, readLog(t, conn)); diff != "" || id != 3 {
		t.Errorf("id %d, %s", id, diff)
	}
	n, err := listening.WaitForNotification(t.Context())
	if err != nil || !strings.HasPrefix(n.Payload, `{"op" : "publish", "type" : "note", "xid" : "`) {
		t.Errorf("notified %+v, %v", n, err)
	}
}

// TestPublishSendsNoWakeUpUnderALeader checks that publish skips NOTIFY while the leader's lock is held, as
// the triggers do.
func TestPublishSendsNoWakeUpUnderALeader(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn, leader := pgtest.Connect(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `listen pgherald`)
	pgtest.Exec(t, pgtest.Connect(t, url), `select pg_advisory_lock_shared($1)`, int64(notify.ListenerLock))
	pgtest.Exec(t, leader, `select pg_advisory_lock(`+strconv.FormatInt(notify.LeaderLock, 10)+`)`)
	pgtest.Exec(t, conn, `select pgherald.publish('silent', '1')`)
	pgtest.Exec(t, leader, `select pg_advisory_unlock(`+strconv.FormatInt(notify.LeaderLock, 10)+`)`)
	pgtest.Exec(t, conn, `select pgherald.publish('loud', '1')`)
	n, err := conn.WaitForNotification(t.Context())
	if err != nil || !strings.Contains(n.Payload, `"loud"`) {
		t.Errorf("notified %+v, %v", n, err)
	}
}

func TestPublishChecksItsArguments(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	for args, column := range map[string]string{
		`null, '1'`: "type", `'', '1'`: "type", `'A', '1'`: "type", `'ä', '1'`: "type", `E'a\n', '1'`: "type",
		`'heartbeat', '1'`: "type", `'batch', '1'`: "type", `'table_truncated', '1'`: "type", `'a', null`: "data",
	} {
		_, err := conn.Exec(t.Context(), `select pgherald.publish(`+args+`)`)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "22023" || pg.ColumnName != column {
			t.Errorf("%s: %v", args, err)
		}
	}
	if got := readLog(t, conn); len(got) > 0 {
		t.Errorf("logged %v", got)
	}
}

// TestPublishPrivileges checks that execute on publish grants nothing else, and that other roles may not call it.
func TestPublishPrivileges(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `
		create role pgherald_publisher; create role pgherald_other;
		grant usage on schema pgherald to pgherald_publisher;
		grant execute on function pgherald.publish to pgherald_publisher`)
	t.Cleanup(func() {
		pgtest.Exec(t, conn, `reset role; drop owned by pgherald_publisher; drop role pgherald_publisher, pgherald_other`)
	})
	for _, test := range []struct{ role, sql, code string }{
		{"pgherald_publisher", `select pgherald.publish('note', '1')`, ""},
		{"pgherald_publisher", `select pgherald.wake('1')`, "42501"},
		{"pgherald_publisher", `select * from pgherald.events`, "42501"},
		{"pgherald_publisher", `insert into pgherald.events (type, data) values ('sync', '1')`, "42501"},
		{"pgherald_other", `select pgherald.publish('note', '1')`, "42501"},
	} {
		pgtest.Exec(t, conn, `set role `+test.role)
		_, err := conn.Exec(t.Context(), test.sql)
		var pg *pgconn.PgError
		code := ""
		if errors.As(err, &pg) {
			code = pg.Code
		}
		if code != test.code || pg == nil && err != nil {
			t.Errorf("%s: %s: %v, want %q", test.role, test.sql, err, test.code)
		}
		pgtest.Exec(t, conn, `reset role`)
	}
}
