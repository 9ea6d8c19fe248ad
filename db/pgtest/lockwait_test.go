package pgtest_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// AwaitLockWait counts the sessions of one database that wait for a lock, and not those that hold it or work.
func TestAwaitLockWait(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	conn, holder, waiter := pgtest.Connect(t, url), pgtest.Begin(t, url), pgtest.Connect(t, url)
	const sql = `select pg_advisory_xact_lock(1)`
	if _, err := holder.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	pgtest.AwaitNoLockWait(t, conn)
	ended := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(t.Context(), sql)
		ended <- err
	}()
	hasEnded := func() bool { return len(ended) > 0 }
	pid := waiter.PgConn().PID()
	for _, of := range []pgtest.LockWait{{}, {PID: pid}, {Query: "xact_lock(1)"}, {PID: pid, Query: "advisory", Sessions: 1}} {
		of.HasEnded = hasEnded
		pgtest.AwaitLockWait(t, conn, of)
	}
	if hasEnded() {
		t.Fatalf("the waiter did not wait: %v", <-ended)
	}
	looks := 0 // of those that select another session, or more than there are
	for _, of := range []pgtest.LockWait{{PID: holder.Conn().PgConn().PID()}, {Name: "other"}, {Query: "other"}, {Sessions: 2}} {
		left := 3
		of.HasEnded = func() bool { looks++; left--; return left < 0 }
		pgtest.AwaitLockWait(t, conn, of)
	}
	if looks != 16 {
		t.Errorf("sessions that do not wait ended the wait after %d looks, want 16", looks)
	}
	pgtest.Commit(t, holder)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	pgtest.AwaitNoLockWait(t, conn)
}
