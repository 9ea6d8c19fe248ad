package eventlog_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestResetIfForeign restores a log into a cluster with lower xids: its events would hide the new ones.
func TestResetIfForeign(t *testing.T) {
	for name, sql := range map[string]string{
		"events":               `update pgherald.events set xid = '9000000000'`,
		"events, some of them": `update pgherald.events set xid = '9000000000' where id > 2`,
		"a horizon":            `update pgherald.log set pruned_below = '9000000000'`,
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log := openLog(t, url)
			writer := pgtest.Connect(t, url)
			emit(t, writer, "restored", 5)
			old := head(t, log, 0)
			if isForeign, err := log.ResetIfForeign(t.Context()); err != nil || isForeign {
				t.Fatalf("its own log: got %v, %v", isForeign, err)
			}
			pgtest.Exec(t, writer, sql)
			open := pgtest.Begin(t, url)
			emit(t, open, "open", 1)
			if isForeign, err := log.ResetIfForeign(t.Context()); err != nil || !isForeign {
				t.Fatalf("got %v, %v", isForeign, err)
			}
			start := head(t, log, 1000)
			emit(t, writer, "new", 1)
			pgtest.Commit(t, open)
			got, end := collect(t, log, start)
			if diff := cmp.Diff([]string{"open×1", "new×1"}, got); diff != "" {
				t.Error(diff)
			}
			emit(t, writer, "newer", 1)
			if got, _ := collect(t, log, end); len(got) != 1 {
				t.Errorf("got %v", got)
			}
			if _, err := log.Read(t.Context(), old); !errors.Is(err, stream.ErrOtherLog) {
				t.Errorf("a cursor of the restored log: got %v, want ErrOtherLog", err)
			}
			if isForeign, err := log.ResetIfForeign(t.Context()); err != nil || isForeign {
				t.Errorf("a second time: got %v, %v", isForeign, err)
			}
		})
	}
}

// TestReadResetsAForeignLog brings events of another cluster into the log while it is read, in each of the
// ways in which a read can meet them.
func TestReadResetsAForeignLog(t *testing.T) {
	for name, sized := range sizesOfReads {
		for name2, sql := range map[string]string{
			"one event":      `update pgherald.events set xid = '9000000000' where id = 4`,
			"several events": `update pgherald.events set xid = (9000000000 + id)::text::xid8 where id > 2`,
			"a horizon":      `update pgherald.log set pruned_below = '9000000000'`,
		} {
			t.Run(name+"/"+name2, func(t *testing.T) {
				url := pgtest.NewDatabase(t)
				log := sized(openLog(t, url))
				start := head(t, log, 0)
				writer := pgtest.Connect(t, url)
				for range 3 {
					emit(t, writer, "own", 5)
				}
				pgtest.Exec(t, writer, sql)
				if _, _, err := tryCollect(t.Context(), log, start); !errors.Is(err, stream.ErrOtherLog) {
					t.Fatalf("got %v, want ErrOtherLog", err)
				}
				if n := log.Resets(); n != 1 {
					t.Errorf("%d resets are counted", n)
				}
				start = head(t, log, 1000)
				emit(t, writer, "new", 1)
				got, _ := collect(t, log, start)
				if diff := cmp.Diff([]string{"new×1"}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestRestoreWithoutTriggers restores rows of another log as pg_restore --data-only --disable-triggers does.
func TestRestoreWithoutTriggers(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	start := head(t, log, 0)
	writer := pgtest.Connect(t, url)
	for _, table := range []string{"events", "log"} {
		pgtest.Exec(t, writer, `alter table pgherald.`+table+` disable trigger all`)
	}
	pgtest.Exec(t, writer, `insert into pgherald.events (xid, type, data) values ('9000000000', 'a', '1'), ('3', 'a', '1')`)
	for _, table := range []string{"events", "log"} {
		pgtest.Exec(t, writer, `alter table pgherald.`+table+` enable trigger all`)
	}
	if _, _, err := tryCollect(t.Context(), log, start); !errors.Is(err, stream.ErrOtherLog) {
		t.Fatalf("got %v, want ErrOtherLog", err)
	}
	start = head(t, log, 1000)
	emit(t, writer, "new", 1)
	got, _ := collect(t, log, start)
	if diff := cmp.Diff([]string{"new×1"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestForeignRowsAreNotStored copies rows of another log into this one, as pg_restore and the worker of a
// subscription do.
func TestForeignRowsAreNotStored(t *testing.T) {
	for _, role := range []string{"origin", "replica"} {
		t.Run(role, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			log := openLog(t, url)
			start := head(t, log, 0)
			writer := pgtest.Connect(t, url)
			emit(t, writer, "own", 1)
			pgtest.Exec(t, writer, `set session_replication_role = `+role)
			pgtest.Exec(t, writer, `insert into pgherald.events (xid, type, data) values ('9000000000', 'a', '1'), ('3', 'a', '1')`)
			emit(t, writer, "own", 1)
			if role == "replica" {
				pgtest.Exec(t, writer, `update pgherald.log set id = gen_random_uuid(), pruned_below = '9000000000'`)
				pgtest.Exec(t, writer, `delete from pgherald.log`)
				pgtest.Exec(t, writer, `delete from pgherald.events`)
			}
			got, _ := collect(t, log, start)
			if diff := cmp.Diff([]string{"own×1", "own×1"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
