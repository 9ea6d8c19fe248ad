package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestDriftWhileServing disables a trigger under two servers, and enables it again.
func TestDriftWhileServing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	often := func(c *server.Config) {
		c.Tuning.TriggerCheckInterval = 50 * time.Millisecond
		c.Tuning.Heartbeat = 4 * time.Minute // the test reads events alone
	}
	nodes := []*node{newNode(url, withAdmin, often), newNode(url, often)}
	startNodes(ctx, t, nodes...)
	for _, n := range nodes {
		t.Cleanup(func() { n.end(t) })
	}
	n := nodes[0]
	admin := n.logged(t, "serving operators", "url")
	resets := func() (count int) {
		err := conn.QueryRow(ctx, `select count(*) from pgherald.events where type = 'collection_reset' and data ->> 'table' = 'public.activities'`).Scan(&count)
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	for round := range 2 {
		frames := openFrames(ctx, t, n)
		pgtest.Exec(t, conn, `alter table public.activities disable trigger user`)
		checkEvent(t, frames.last(t), "collection_reset", `{"table":"public.activities","reason":"triggers"}`)
		for _, n := range nodes {
			waitFor(ctx, t, "drift in /api/stats", func() bool {
				return strings.Contains(get(ctx, t, n.at("/api/stats")), `"table":"public.activities","kind":"disabled"`)
			})
			waitFor(ctx, t, "drift in /readyz", func() bool { // which may say something else about a moment in which the server is stale
				ready := get(ctx, t, n.at("/readyz"))
				return strings.Contains(ready, `"status":"ready"`) && strings.Contains(ready, "differ from the spec")
			})
			waitFor(ctx, t, "drift in the log output", func() bool { return strings.Contains(n.log.String(), `"msg":"triggers differ from the spec"`) })
		}
		if metrics := get(ctx, t, admin+"/metrics"); strings.Contains(metrics, `pgherald_trigger_drift{kind="disabled"} 0`) ||
			!strings.Contains(metrics, `pgherald_trigger_drift{kind="missing"} 0`) {
			t.Errorf("the metrics are\n%s", metrics)
		}
		pgtest.Exec(t, conn, `alter table public.activities enable trigger user`)
		checkEvent(t, frames.last(t), "collection_reset", `{"table":"public.activities","reason":"triggers"}`)
		for _, n := range nodes {
			waitFor(ctx, t, "the end of the drift", func() bool {
				return strings.Contains(get(ctx, t, n.at("/api/stats")), `"drift":[]`)
			})
		}
		if got, want := resets(), 2*(round+1); got != want {
			t.Errorf("%d resets in the log, want %d", got, want)
		}
	}
	for _, n := range nodes {
		if lines := strings.Count(n.log.String(), "triggers differ from the spec"); lines > 2*20 {
			t.Error(fmt.Sprint("the log output has ", lines, " lines of drift"))
		}
	}
}

// TestServeWithOneBadTable starts servers whose spec has a table that does not exist, with and without the right to
// install triggers. They serve the other one, and say what is wrong.
func TestServeWithOneBadTable(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.orders (id int primary key)`)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	const text = `
tables:
  - { name: public.orders, on: { insert: order_created } }
  - { name: public.items, on: { insert: item_created } }
`
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, noApply := range []bool{false, true} {
		n := newNode(url, func(c *server.Config) { c.Database.Spec, c.Database.NoApply = spec, noApply })
		startNodes(ctx, t, n)
		frames := openFrames(ctx, t, n)
		pgtest.Exec(t, conn, `insert into public.orders values ($1)`, i)
		for { // a collection_reset for the table that is missing may come before it
			if event := frames.last(t); strings.Contains(event, `"order_created"`) {
				break
			}
		}
		waitFor(ctx, t, "the error in the log output", func() bool {
			return strings.Contains(n.log.String(), `"level":"ERROR","msg":"triggers differ from the spec","table":"public.items","kind":"table"`)
		})
		n.end(t)
	}
	pgtest.Exec(t, conn, `drop table public.orders cascade; drop schema pgherald cascade`)
	for _, noApply := range []bool{false, true} {
		n := newNode(url, func(c *server.Config) { c.Database.Spec, c.Database.NoApply = spec, noApply })
		err := n.start(ctx)
		if err == nil {
			n.end(t)
		}
		if err == nil || !strings.Contains(err.Error(), "table public.orders: it does not exist") || strings.Contains(err.Error(), "skip_") {
			t.Errorf("a server that can watch nothing started: %v", err)
		}
	}
}

// TestCrashOfUnloggedTables kills PostgreSQL under two servers. Clients learn once that the unlogged table is empty,
// and receive nothing after a restart that empties no table.
func TestCrashOfUnloggedTables(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	cluster := pgtest.NewCluster(t)
	url := cluster.URL("postgres")
	pgtest.Exec(t, pgtest.Connect(t, url), `create unlogged table public.carts (id int primary key); create table public.orders (id int primary key)`)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	const text = `
tables:
  - { name: public.carts, on: { insert: cart_created, delete: cart_deleted } }
  - { name: public.orders, on: { insert: order_created } }
`
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(c *server.Config) {
		c.Database.Spec, c.Tuning.TriggerCheckInterval = spec, 100*time.Millisecond
	}
	nodes := []*node{newNode(url, change), newNode(url, change)}
	startNodes(ctx, t, nodes...)
	for _, n := range nodes {
		t.Cleanup(func() { n.end(t) })
	}
	for i, end := range []func(testing.TB){cluster.Stop, cluster.Kill} {
		pgtest.Exec(t, pgtest.Connect(t, url), `insert into public.carts values ($1)`, i)
		end(t)
		began := time.Now()
		cluster.Start(t)
		for _, n := range nodes {
			waitFor(ctx, t, "a check after the restart", func() bool {
				var stats struct{ Triggers struct{ CheckedAt time.Time } }
				return json.Unmarshal([]byte(get(ctx, t, n.at("/api/stats"))), &stats) == nil && stats.Triggers.CheckedAt.After(began)
			})
		}
		var resets string
		err := pgtest.Connect(t, url).QueryRow(ctx, `select coalesce(string_agg(data::text, ' '), '') from pgherald.events where type = 'collection_reset'`).Scan(&resets)
		if want := []string{"", `{"table":"public.carts","reason":"crash"}`}[i]; err != nil || resets != want {
			t.Errorf("after restart %d the log has the resets %q, %v; want %q", i, resets, err, want)
		}
	}
}
