package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// holdAdvisoryLocks holds every advisory lock that a version of pgherald has used, as a role that may only connect.
func holdAdvisoryLocks(t *testing.T, databaseURL string) {
	t.Helper()
	admin := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, admin, `do $$ begin create role squatter login; exception when duplicate_object then null; end $$`)
	conn := pgtest.Connect(t, strings.Replace(databaseURL, "//postgres@", "//squatter@", 1))
	name := conn.Config().Database
	for _, key := range []int64{0x7067686572616c01, notify.LeaderLock, 0x7067686572616c03, 0x7067686572616c64} {
		pgtest.Exec(t, conn, `select pg_advisory_lock($1)`, key)
	}
	for _, table := range []string{"pgherald_engine_migrations", "pgherald_workload_migrations", "migrations", "schema_migrations"} {
		for _, schema := range []string{"public", "pgherald"} {
			key, err := database.GenerateAdvisoryLockId(name, schema, table)
			if err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, conn, `select pg_advisory_lock($1::bigint)`, pgx.QueryExecModeSimpleProtocol, key)
		}
	}
}

// TestSquatterOnAdvisoryLocks runs servers beside a role that holds every advisory lock. They migrate, install
// triggers, track presence and prune; only the leader's lock costs something: events may be a second late.
func TestSquatterOnAdvisoryLocks(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	holdAdvisoryLocks(t, databaseURL)
	n := newNode(databaseURL)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	lines := openStream(ctx, t, n.at("/api/events"))
	readTo(t, lines, `"sync"`)
	named, leave := context.WithCancel(ctx)
	defer leave()
	readTo(t, openStream(named, t, n.at("/api/events?user=ann")), `"sync"`)
	readTo(t, lines, `{"userId":"ann","isOnline":true}`)
	if status := postJSON(ctx, t, n.at("/api/activities"), strings.Replace(activity, `"c"`, `"beside a squatter"`, 1)); status != http.StatusCreated {
		t.Fatalf("POST: status %d", status)
	}
	readTo(t, lines, "beside a squatter")

	pruning := newNode(databaseURL, func(c *server.Config) { c.EventLog.RetainAge = time.Nanosecond })
	t.Cleanup(func() { pruning.end(t) })
	startNodes(ctx, t, pruning)
	conn := pgtest.Connect(t, databaseURL)
	waitFor(ctx, t, "the log to be pruned", func() bool {
		var left int
		err := conn.QueryRow(ctx, `select count(*) from pgherald.events where type like 'activity%'`).Scan(&left)
		if err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
}
