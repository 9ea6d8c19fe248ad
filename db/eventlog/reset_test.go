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
