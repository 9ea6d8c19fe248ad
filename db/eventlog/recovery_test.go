package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestRecovery recovers PostgreSQL in each way that keeps the data directory. The log's epoch changes with every
// recovery, and with nothing else. A cursor of before is right if the position of the recovery is known.
func TestRecovery(t *testing.T) {
	cluster := pgtest.NewCluster(t)
	url := cluster.NewDatabase(t)
	log := openLog(t, url)
	emit(t, pgtest.Connect(t, url), "first", 1)
	before := head(t, log, 0)
	for _, test := range []struct {
		name               string
		end                func()
		isRecovery, proves bool
	}{
		{"clean restart", func() { cluster.Stop(t) }, false, true},
		{"crash", func() { cluster.Kill(t) }, true, true},
		{"another one", func() { cluster.Kill(t) }, true, true},
		{"clean restart after a crash", func() { cluster.Stop(t) }, false, true},
		{"crash that no server saw before a clean restart", func() {
			cluster.Kill(t)
			cluster.Start(t)
			cluster.Stop(t)
		}, true, false},
	} {
		test.end()
		cluster.Start(t)
		after := awaitHead(t, log)
		if isRecovery := after.Epoch() != before.Epoch(); isRecovery != test.isRecovery {
			t.Errorf("%s: a recovery: %t", test.name, isRecovery)
		}
		lineage, err := log.Lineage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		resolved, ok := lineage.Resolve(before)
		if ok != test.proves || ok && resolved.Epoch() != after.Epoch() {
			t.Errorf("%s: the cursor before resolves as %v, %t in %+v", test.name, resolved, ok, lineage)
		}
		if ok {
			if got, _ := collect(t, log, resolved); got != nil {
				t.Errorf("%s: got %v again", test.name, got)
			}
		}
		emit(t, pgtest.Connect(t, url), test.name, 1)
		before = head(t, log, 0)
	}
}

// TestMissedPromotion lets a promoted standby crash before a server has seen the promotion. What the old primary had
// committed alone is lost, though below the position where the crash recovery ended.
func TestMissedPromotion(t *testing.T) {
	first := pgtest.NewCluster(t)
	url := first.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	emit(t, conn, "kept", 1)
	kept := head(t, openLog(t, url), 0)
	second := first.NewStandby(t, false)
	awaitReplayed(t, second, kept.LSN())
	second.Set(t, "primary_conninfo", "''")
	awaitNoReceiver(t, second)
	emit(t, conn, "lost", 1)
	lost := head(t, openLog(t, url), 0)
	first.Kill(t)
	second.Promote(t)
	promotedURL := second.URL(conn.Config().Database)
	promoted := pgtest.Connect(t, promotedURL)
	pgtest.Exec(t, promoted, `create table more as select g from generate_series(1, 10000) as g`)
	second.Kill(t)
	second.Start(t)
	log := openLog(t, promotedURL)
	awaitHead(t, log)
	lineage, err := log.Lineage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := lineage.Resolve(lost); ok {
		t.Errorf("%v, which has seen a lost transaction, resolves as %v in %+v", lost, c, lineage)
	}
}

func awaitReplayed(t *testing.T, c *pgtest.Cluster, lsn uint64) {
	t.Helper()
	awaitTrue(t, c, `select pg_last_wal_replay_lsn() - '0/0' >= $1::numeric`, lsn)
}

func awaitNoReceiver(t *testing.T, c *pgtest.Cluster) {
	t.Helper()
	awaitTrue(t, c, `select not exists (select from pg_stat_wal_receiver)`)
}

// awaitTrue waits until a condition is true on a server.
func awaitTrue(t *testing.T, c *pgtest.Cluster, sql string, args ...any) {
	t.Helper()
	conn := pgtest.Connect(t, c.URL("postgres"))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for isTrue := false; !isTrue; <-tick.C {
		if err := conn.QueryRow(t.Context(), sql, args...).Scan(&isTrue); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLineageAfterRecovery reads the lineage before any other statement has noticed a recovery.
func TestLineageAfterRecovery(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	before := head(t, log, 0)
	pgtest.Exec(t, pgtest.Connect(t, url), `truncate pgherald.recovered`) // as a crash does
	lineage, err := log.Lineage(t.Context())
	if err != nil || len(lineage) != 2 || lineage[0].Parent != before.Epoch() {
		t.Errorf("got %+v, %v", lineage, err)
	}
}

// awaitHead returns the end of the log once the pool has connected again.
func awaitHead(t *testing.T, log interface {
	Tail(ctx context.Context, events int, bytes int64) (stream.Cursor, error)
}) stream.Cursor {
	t.Helper()
	var errs []error
	for range 20 {
		c, err := log.Tail(t.Context(), 0, 0)
		if err == nil {
			return c
		}
		errs = append(errs, err)
	}
	t.Fatal(errors.Join(errs...))
	return stream.Cursor{}
}

// TestConfirmedCursors records what servers found after a recovery, and that its position is wrong.
func TestConfirmedCursors(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	conn := pgtest.Connect(t, url)
	emit(t, conn, "a", 1)
	before := head(t, log, 0)
	pgtest.Exec(t, conn, `truncate pgherald.recovered`) // as a crash does
	open := pgtest.Begin(t, url)
	cursor, err := log.SnapshotCursor(t.Context(), open)
	if err != nil || cursor.Epoch() == before.Epoch() {
		t.Fatalf("got %v, %v", cursor, err)
	}
	resolve := func() (stream.Recovery, bool) {
		t.Helper()
		lineage, err := log.Lineage(t.Context())
		if err != nil || len(lineage) != 2 || lineage[0].Parent != before.Epoch() || lineage[0].Epoch != cursor.Epoch() {
			t.Fatalf("got %+v, %v", lineage, err)
		}
		_, ok := lineage.Resolve(before)
		return lineage[0], ok
	}
	r, ok := resolve()
	if ok {
		t.Error("a cursor is right although it is not known what was lost")
	}
	for range 2 {
		if err := log.Confirm(t.Context(), r, before); err != nil {
			t.Fatal(err)
		}
	}
	if r, ok = resolve(); !ok || len(r.Confirmed) != 1 {
		t.Errorf("after it was confirmed: %t, %+v", ok, r)
	}
	if err := log.Distrust(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, ok = resolve(); ok {
		t.Error("the cursor is right although the recovery is not trusted")
	}
}

// TestSurvivors looks up transactions.
func TestSurvivors(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log := openLog(t, url)
	from := head(t, log, 0)
	emit(t, pgtest.Connect(t, url), "a", 3)
	undone := pgtest.Begin(t, url)
	emit(t, undone, "b", 1)
	pgtest.Rollback(t, undone)
	at := head(t, log, 0)
	xid := at.Next() - 1
	found, err := log.Survivors(t.Context(), []uint64{xid, xid + 1, 3})
	if err != nil {
		t.Fatal(err)
	}
	d := found.Transactions[xid]
	if len(found.Transactions) != 1 || d.Events != 3 || d.LastID != d.FirstID+2 || d.LastAt < d.FirstAt || found.Epoch != from.Epoch() {
		t.Errorf("got %+v", found)
	}
}
