package db_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// setDefault sets a parameter as an administrator may have, for the database and all its sessions to come.
func setDefault(t *testing.T, conn *pgx.Conn, parameter, value string) {
	t.Helper()
	pgtest.Exec(t, conn, `alter database `+pgx.Identifier{conn.Config().Database}.Sanitize()+` set `+parameter+` = '`+value+`'`)
}

// As in a database of another encoding than UTF-8, where that is the default.
func TestReadIsUTF8(t *testing.T) {
	url := pgtest.NewDatabase(t)
	writer := pgtest.Connect(t, url)
	setDefault(t, writer, "client_encoding", "LATIN1")
	log := openLog(t, url)
	start := head(t, log, 0)
	emit(t, writer, "Größe", 1)
	got, _ := collect(t, log, start)
	if diff := cmp.Diff([]string{"Größe×1"}, got); diff != "" {
		t.Error(diff)
	}
}

// A reader that were serializable as well would be a part of the writers' conflicts: this writer has
// read what another has changed, which alone is none.
func TestReadDisturbsNoSerializableWriter(t *testing.T) {
	url := pgtest.NewDatabase(t)
	admin := pgtest.Connect(t, url)
	setDefault(t, admin, "default_transaction_isolation", "serializable")
	pgtest.Exec(t, admin, `create table stock (id int primary key, n int)`)
	pgtest.Exec(t, admin, `insert into stock values (1, 1)`)
	log := openLog(t, url)
	start := head(t, log, 0)

	writer := begin(t, url)
	var n int
	if err := writer.QueryRow(t.Context(), `select n from stock where id = 1`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	other := begin(t, url)
	if _, err := other.Exec(t.Context(), `update stock set n = 2 where id = 1`); err != nil {
		t.Fatal(err)
	}
	commit(t, other)
	collect(t, log, start)
	emit(t, writer, "a", 1)
	commit(t, writer)
	if got, _ := collect(t, log, start); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestListenerMayBeIdle(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	if conn.PgConn().ParameterStatus("server_version") < "14" {
		t.Skip("idle_session_timeout came with PostgreSQL 14")
	}
	setDefault(t, conn, "idle_session_timeout", "100ms")
	l := listen(t, url)
	waitLive(t, l)
	pgtest.Exec(t, conn, `select pg_sleep(0.5)`)
	if s := l.Status(); s.Falls > 0 || strings.Contains(s.Reason, "idle") {
		t.Errorf("the listener went down: %+v", s)
	}
}
