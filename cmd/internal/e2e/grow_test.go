package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// streamAfter opens a stream of a collection at a cursor.
func streamAfter(ctx context.Context, t *testing.T, n *node, collection, cursor string) *frames {
	t.Helper()
	return &frames{in: bufio.NewReader(ask(ctx, t, n.at("/api/events?collection="+collection+"&since="+url.QueryEscape(cursor))).Body)}
}

func frequently(c *server.Config) { c.Tuning.TriggerCheckInterval = 50 * time.Millisecond }

// TestColumnAddedWhileServing adds columns to a table that a server watches with --tables. The harmless one comes into
// events and lists without a restart, and clients may filter by it; the one that looks sensitive comes into neither, nor into the log.
func TestColumnAddedWhileServing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.users (id int primary key, name text); insert into public.users values (1, 'Ann')`)
	withTables := func(c *server.Config) { c.Database.Tables = []string{"public.*"} }
	nodes := []*node{newNode(databaseURL, withTables, frequently), newNode(databaseURL, withTables, frequently, func(c *server.Config) { c.Database.NoApply, c.Database.NoMigrate = true, true })}
	for _, n := range nodes {
		startNodes(ctx, t, n)
		t.Cleanup(func() { n.end(t) })
	}
	_, cursor := readCollection(ctx, t, nodes[0], "/api/collections/users")
	pgtest.Exec(t, conn, `alter table public.users add column level int default 1, add column api_token text default 'hush'`)
	for i, n := range nodes {
		waitFor(ctx, t, "the new column", func() bool {
			return strings.Contains(get(ctx, t, n.at("/api/collections")), `"level"`)
		})
		pgtest.Exec(t, conn, `update public.users set level = level + 1`)
		last := 100 + i
		pgtest.Exec(t, conn, `insert into public.users (id, level) values ($1, 5)`, last)
		rows, _ := readCollection(ctx, t, n, "/api/collections/users?where.level=gt.1")
		followed := map[string]string{}
		followUntil(t, streamAfter(ctx, t, n, "users&where.level=gt.1", cursor), followed, strconv.Itoa(last))
		if diff := cmp.Diff(rows, followed); diff != "" || !strings.Contains(rows["1"], `"level":`) || strings.Contains(rows["1"], "hush") {
			t.Errorf("server %d: (-list +stream):\n%s", i, diff)
		}
		if schema := get(ctx, t, n.at("/api/schema")); !strings.Contains(schema, `"level"`) || strings.Contains(schema, "api_token") {
			t.Errorf("server %d: /api/schema has other fields", i)
		}
	}
	var hushed, resets int
	err := conn.QueryRow(ctx, `select count(*) filter (where e::text ~ 'hush|token'), count(*) filter (where e.type = 'collection_reset') from pgherald.events as e`).Scan(&hushed, &resets)
	if err != nil || hushed > 0 || resets != 1 { // an update may have filled the column before events showed it
		t.Errorf("%d events show the sensitive column, %d are resets instead of one, %v", hushed, resets, err)
	}
}

// TestCollectionAddedWhileServing applies a spec with a new table beside a server with the same file. The server serves it
// without a restart, also to a client whose cursor is older than that.
func TestCollectionAddedWhileServing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.orders (id int primary key); create table public.items (id int primary key)`)
	const before = `tables: [{ name: public.orders, collection: orders }]`
	const after = `tables: [{ name: public.orders, collection: orders }, { name: public.items, collection: items }]`
	file := specFile(t, before)
	n := newNode(databaseURL, frequently, func(c *server.Config) { c.Database.Spec = file })
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	_, cursor := readCollection(ctx, t, n, "/api/collections/orders")
	old := streamAfter(ctx, t, n, "orders", cursor)
	if err := os.WriteFile(file, []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := triggers.Parse([]byte(after))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(ctx, conn, spec); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `insert into public.items values (1)`)
	waitFor(ctx, t, "the new collection", func() bool {
		return strings.Contains(get(ctx, t, n.at("/api/collections")), `"items"`)
	})
	rows, _ := readCollection(ctx, t, n, "/api/collections/items")
	if rows["1"] != `{"id":1}` {
		t.Errorf("rows %v", rows)
	}
	followed := map[string]string{}
	followUntil(t, streamAfter(ctx, t, n, "items", cursor), followed, "1")
	if diff := cmp.Diff(rows, followed); diff != "" {
		t.Errorf("(-list +stream of before):\n%s", diff)
	}
	pgtest.Exec(t, conn, `insert into public.items values (2); insert into public.orders values (1)`)
	followUntil(t, old, map[string]string{}, "1")
	waitFor(ctx, t, "the end of drift", func() bool { return strings.Contains(get(ctx, t, n.at("/api/stats")), `"drift":[]`) })
}

// TestColumnRenamedWithoutWrites renames a column of a table that nothing writes to. The list comes back by itself, also
// after the column has its name again.
func TestColumnRenamedWithoutWrites(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.countries (id int primary key, extra jsonb); insert into public.countries values (1, '{}')`)
	n := newNode(databaseURL, func(c *server.Config) {
		c.Database.Tables, c.Tuning.TriggerCheckInterval = []string{"public.*"}, 100*time.Millisecond
	})
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	for _, names := range [][2]string{{"extra", "more"}, {"more", "extra"}} {
		pgtest.Exec(t, conn, fmt.Sprintf(`alter table public.countries rename column %s to %s`, names[0], names[1]))
		waitFor(ctx, t, "the list with "+names[1], func() bool {
			status, body, _ := statusOf(ctx, t, n, "/api/collections/countries")
			return status == 200 && strings.Contains(body, fmt.Sprintf(`{"id":1,"%s":{}}`, names[1]))
		})
	}
}

// TestColumnDroppedWhileServing drops a column that a trigger function names. The server replaces the function after the first
// write, so that the others give their events, and lists show the same rows.
func TestColumnDroppedWhileServing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.users (id int primary key, name text, level int); insert into public.users values (1, 'Ann', 1)`)
	n := newNode(databaseURL, func(c *server.Config) {
		c.Database.Tables, c.Tuning.TriggerCheckInterval = []string{"public.*"}, time.Hour
	})
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	pgtest.Exec(t, conn, `alter table public.users drop column level; insert into public.users values (2, 'Bob')`)
	waitFor(ctx, t, "the new function", func() bool { return strings.Contains(n.log.String(), "changed columns taken in") })
	waitFor(ctx, t, "the rows", func() bool {
		status, body, _ := statusOf(ctx, t, n, "/api/collections/users?where.name=Ann")
		return status == 200 && strings.Contains(body, `{"id":1,"name":"Ann"}`)
	})
	_, cursor := readCollection(ctx, t, n, "/api/collections/users")
	pgtest.Exec(t, conn, `insert into public.users values (3, 'Eve')`)
	followed := map[string]string{}
	followUntil(t, streamAfter(ctx, t, n, "users", cursor), followed, "3")
	if followed["3"] != `{"id":3,"name":"Eve"}` {
		t.Errorf("events %v", followed)
	}
}
