package notify_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

// stranger returns a connection of a role that may connect and nothing else.
func stranger(t *testing.T, url, application string) *pgx.Conn {
	t.Helper()
	pgtest.Exec(t, pgtest.Connect(t, url), `
do $$ begin create role stranger login; exception when duplicate_object then null; end $$`)
	return pgtest.Connect(t, strings.Replace(url, "//postgres@", "//stranger@", 1)+"&application_name="+application)
}

// waitHolder waits until the leader reports a holder of the lock, or none.
func waitHolder(t *testing.T, l *notify.Leader, held bool) *status.LockHolder {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangLimit)
	defer cancel()
	for {
		if h := l.Status().LockHolder; (h != nil) == held {
			return h
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited for a holder to be reported: %v", held)
		}
	}
}

// TestStrangersHoldTheLeadersLock checks that a role which may only connect is reported while it holds the lock,
// even if it calls itself a leader.
func TestStrangersHoldTheLeadersLock(t *testing.T) {
	for mode, lock := range map[string]string{"ExclusiveLock": "pg_advisory_lock", "ShareLock": "pg_advisory_lock_shared"} {
		t.Run(mode, func(t *testing.T) {
			url := pgtest.NewDatabase(t)
			var log bytes.Buffer // the status orders its writes before the reads
			leader, err := notify.NewLeader(runListener(t, url), url, notify.LeaderOptions{
				HolderAfter: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			pool := openPool(t, url)
			runUntilEnd(t, func(ctx context.Context) { leader.WatchLock(ctx, pool) })
			conn := stranger(t, url, "pgherald%20leader")
			pgtest.Exec(t, conn, `select `+lock+`($1)`, int64(notify.LeaderLock))
			h := waitHolder(t, leader, true)
			if h.PID != int64(conn.PgConn().PID()) || h.Role != "stranger" || h.Mode != mode || time.Since(h.Since) < 20*time.Millisecond {
				t.Errorf("holder %+v", h)
			}
			pgtest.Exec(t, conn, `select pg_advisory_unlock_all()`)
			waitHolder(t, leader, false)
			if text := log.String(); strings.Count(text, "another program holds") != 1 || strings.Count(text, "free again") != 1 {
				t.Errorf("logged\n%s", text)
			}
		})
	}
}

// TestLeadersAreNoStrangers checks that a server which leads is not reported by another one.
func TestLeadersAreNoStrangers(t *testing.T) {
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url+"&application_name=pgherald%20leader")
	pgtest.Exec(t, conn, `select pg_advisory_lock($1)`, int64(notify.LeaderLock))
	leader, err := notify.NewLeader(runListener(t, url), url, notify.LeaderOptions{HolderAfter: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	pool := openPool(t, url)
	runUntilEnd(t, func(ctx context.Context) { leader.WatchLock(ctx, pool) })
	other := stranger(t, url, "x")
	pgtest.Exec(t, other, `select pg_advisory_lock_shared($1)`, int64(notify.LeaderLock+1)) // another lock
	for range 20 {
		if h := leader.Status().LockHolder; h != nil {
			t.Fatalf("holder %+v", h)
		}
		pgtest.Exec(t, other, `select pg_sleep(0.002)`)
	}
}
