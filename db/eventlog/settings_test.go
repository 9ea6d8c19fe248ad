package eventlog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestReadIsUTF8 sets another client encoding as the default, as a database of another encoding has.
func TestReadIsUTF8(t *testing.T) {
	url := pgtest.NewDatabase(t)
	writer := pgtest.Connect(t, url)
	pgtest.SetDefault(t, writer, "client_encoding", "LATIN1")
	log := openLog(t, url)
	start := head(t, log, 0)
	emit(t, writer, "Größe", 1)
	got, _ := collect(t, log, start)
	if diff := cmp.Diff([]string{"Größe×1"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReadDisturbsNoSerializableWriter checks that a read is not part of the writers' conflicts. This
// writer has read a row that another one changed, which alone is no conflict; with a serializable reader
// it would become one.
func TestReadDisturbsNoSerializableWriter(t *testing.T) {
	url := pgtest.NewDatabase(t)
	admin := pgtest.Connect(t, url)
	pgtest.SetDefault(t, admin, "default_transaction_isolation", "serializable")
	pgtest.Exec(t, admin, `create table stock (id int primary key, n int)`)
	pgtest.Exec(t, admin, `insert into stock values (1, 1)`)
	log := openLog(t, url)
	start := head(t, log, 0)

	writer := pgtest.Begin(t, url)
	var n int
	if err := writer.QueryRow(t.Context(), `select n from stock where id = 1`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	other := pgtest.Begin(t, url)
	if _, err := other.Exec(t.Context(), `update stock set n = 2 where id = 1`); err != nil {
		t.Fatal(err)
	}
	pgtest.Commit(t, other)
	collect(t, log, start)
	emit(t, writer, "a", 1)
	pgtest.Commit(t, writer)
	if got, _ := collect(t, log, start); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
