package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// specFile writes a spec and returns the name of the file.
func specFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDeploymentOfANewSpec starts a server with a new spec beside one with the old one, which then restarts. The old
// server serves on, undoes nothing, and says so.
func TestDeploymentOfANewSpec(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.orders (id int primary key)`)
	withSpec := func(text string) func(*server.Config) {
		file := specFile(t, text)
		return func(c *server.Config) {
			c.Database.Spec, c.Tuning.TriggerCheckInterval = file, 50*time.Millisecond
		}
	}
	before := withSpec("tables: [{ name: public.orders, on: { insert: order_created } }]")
	after := withSpec("tables: [{ name: public.orders, on: { insert: order_placed } }]")
	for i, change := range []func(*server.Config){before, after, before} {
		n := newNode(url, change)
		t.Cleanup(func() { n.end(t) })
		startNodes(ctx, t, n)
		frames := openFrames(ctx, t, n)
		pgtest.Exec(t, conn, `insert into public.orders values ($1)`, i)
		want := `"order_placed"`
		if i == 0 {
			want = `"order_created"`
		}
		if event := frames.last(t); !strings.Contains(event, want) {
			t.Errorf("server %d: got %s, want %s", i, event, want)
		}
		if i == 2 {
			n.logged(t, "serving with the installed triggers: this server's spec is an older one", "reason")
			waitFor(ctx, t, "the drift in /api/stats", func() bool {
				return strings.Contains(get(ctx, t, n.at("/api/stats")), `"kind":"superseded"`)
			})
		}
	}
	var resets int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.events where type = 'collection_reset'`).Scan(&resets); err != nil || resets != 0 {
		t.Errorf("%d resets, %v, want none: nothing was missed", resets, err)
	}
}

// TestServeWithoutSpecBesideAnother forgets --spec. The server adds no table to the database and drops no trigger.
func TestServeWithoutSpecBesideAnother(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create table public.orders (id int primary key)`)
	file := specFile(t, "tables: [{ name: public.orders, on: { insert: order_created } }]")
	n := newNode(url, func(c *server.Config) { c.Database.Spec = file })
	startNodes(ctx, t, n)
	n.end(t)
	forgotten := newNode(url)
	if err := forgotten.start(ctx); err == nil {
		forgotten.end(t)
		t.Fatal("a server without --spec started beside another spec")
	} else if !strings.Contains(err.Error(), "neither --spec nor --tables is set") || !strings.Contains(err.Error(), "default") {
		t.Errorf("the error is %v", err)
	}
	var activities *string
	var triggers int
	err := conn.QueryRow(ctx, `select to_regclass('public.activities')::text, (select count(*) from pg_trigger where tgrelid = 'public.orders'::regclass)`).Scan(&activities, &triggers)
	if err != nil || activities != nil || triggers != 1 {
		t.Errorf("the database has the example's tables (%v) or lost triggers (%d left), %v", activities, triggers, err)
	}
}

// testTriggersCommands runs the commands for triggers as a person does.
func testTriggersCommands(t *testing.T, binary string) {
	url := pgtest.EmptyDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, url), `create table public.orders (id int primary key); create table public.items (id int primary key)`)
	orders := specFile(t, "{ name: orders, version: 3, tables: [{ name: public.orders, on: { insert: order_created } }] }")
	older := specFile(t, "{ name: orders, version: 2, tables: [{ name: public.orders, on: { insert: order } }] }")
	items := specFile(t, "{ name: items, tables: [{ name: public.items, on: { insert: item_created } }] }")
	thief := specFile(t, "{ name: thief, tables: [{ name: public.items, on: { insert: mine } }] }")
	script := filepath.Join(t.TempDir(), "script.sql")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"apply --spec=" + orders, 1, "with --engine-only for a spec of your own"},
		{"migrate status", 0, "run pgherald migrate up, with --engine-only for a spec of your own"},
		{"migrate status --engine-only", 0, "run pgherald migrate up --engine-only"},
		{"migrate up --engine-only", 0, "engine"},
		{"migrate status", 0, ": not created; only the example"},
		{"apply", 1, "neither --spec nor --tables is set"},
		{"plan --all", 1, "neither --spec nor --tables is set"},
		{"check", 1, "neither --spec nor --tables is set"},
		{"check --spec=" + orders, 1, "differ from the spec in"},
		{"list", 0, "TABLE"},
		{"types --spec=" + orders, 1, "find the collections of the spec: it has none"},
		{"types --tables=public.orders", 0, "export interface Orders {"},
		{"types --tables=public.orders --lang=go --package=shop", 0, "package shop"},
		{"types --tables=public.orders --lang=jsonschema", 0, `"$defs"`},
		{"types --tables=public.orders --lang=cobol", 64, "cobol"},
		{"apply --spec=" + orders, 0, "record spec orders (version 3)"},
		{"apply --spec=" + orders, 0, "nothing to change"},
		{"plan --all --spec=" + items, 0, "commit;"},
		{"check --spec=" + items, 0, "triggers match the spec"},
		{"list", 0, "public.orders  orders  3        20"},
		{"list", 0, "public.items   items   -        20"},
		{"apply --spec=" + older, 1, "version 3 is installed"},
		{"plan --all --spec=" + older, 1, "version 3 is installed"},
		{"apply --force --spec=" + older, 0, "record spec orders (version 2)"},
		{"apply --spec=" + thief, 1, "table public.items of spec thief is watched by spec items"},
		{"drop", 1, "spec workload: it has none here"},
		{"drop --all --name=items", 1, "give only one of them"},
		{"drop --name=items", 0, "forget spec items"},
		{"apply --prune --spec=" + thief, 0, "forget spec orders"},
		{"drop --all", 0, "forget spec thief"},
		{"drop --all", 0, "nothing to remove"},
	} {
		args := append(strings.Fields(c.args), "--database-url="+url)
		cmd := exec.CommandContext(t.Context(), binary, args...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("pgherald %s: %v, want exit code %d and %q:\n%s", c.args, err, c.code, c.want, out)
		}
		if strings.HasPrefix(c.args, "plan --all") && c.code == 0 {
			if err := os.WriteFile(script, out, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", script, url).CombinedOutput(); err != nil {
				t.Errorf("psql: %v\n%s", err, out)
			}
		}
	}
}
