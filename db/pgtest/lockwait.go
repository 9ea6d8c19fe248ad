package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	lockWaitLimit = 2 * time.Minute
	lockWaitLook  = 2 * time.Millisecond // between two looks
)

// LockWait selects sessions that wait for a lock. Zero values select all.
type LockWait struct {
	PID   uint32 // the session's
	Name  string // the session's application_name
	Query string // part of the statement that waits

	// Sessions is how many must wait; 1 if 0.
	Sessions int
	// HasEnded reports that what should wait has ended without. The wait ends then, and the test goes on to say why; nil if it
	// cannot end.
	HasEnded func() bool
}

// AwaitLockWait returns when sessions of conn's database wait for a lock. It fails the test if that takes too long. conn must not be
// in a transaction, which would see the same sessions again and again.
func AwaitLockWait(t testing.TB, conn *pgx.Conn, of LockWait) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lockWaitLimit)
	defer cancel()
	look := time.NewTicker(lockWaitLook)
	defer look.Stop()
	for of.HasEnded == nil || !of.HasEnded() {
		waiting, err := of.count(ctx, conn)
		if err != nil {
			t.Fatalf("wait for %d sessions that wait for a lock: %v", max(1, of.Sessions), err)
		}
		if waiting >= max(1, of.Sessions) {
			return
		}
		<-look.C
	}
}

// AwaitNoLockWait returns when no session of conn's database waits for a lock. It fails the test if that takes too long.
func AwaitNoLockWait(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lockWaitLimit)
	defer cancel()
	look := time.NewTicker(lockWaitLook)
	defer look.Stop()
	for {
		waiting, err := LockWait{}.count(ctx, conn)
		if err != nil {
			t.Fatalf("wait until no session waits for a lock: %v", err)
		}
		if waiting == 0 {
			return
		}
		<-look.C
	}
}

func (of LockWait) count(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	const sql = `
select count(*)
from pg_catalog.pg_stat_activity as a
where
    a.datname = current_database() and a.wait_event_type = 'Lock'
    and ($1::bigint = 0 or a.pid = $1::bigint)
    and ($2::text = '' or a.application_name = $2::text)
    and ($3::text = '' or position($3::text in a.query) > 0)`
	err = conn.QueryRow(ctx, sql, int64(of.PID), of.Name, of.Query).Scan(&n)
	return n, err
}
