package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestFullLogPool holds every connection of the pool that reads the log: the log is locked, and more clients resume from it
// than the pool has connections. The listener stays, the server is ready, and each client receives everything once
// after the lock.
func TestFullLogPool(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.NewDatabase(t)
	n := newNode(database, smallFeed, func(c *server.Config) {
		c.Limits.RequestsPerUser, c.Tuning.StaleLimit = 0, 0
		c.Tuning.ProbeInterval = time.Hour // on a busy machine, a probe without an answer would end the connection
	})
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	first := openEventSource(ctx, t, n.at("/api/events"))
	first.await(ctx, "the beginning", func() bool { return first.modes["live"] > 0 && first.cursor != "" })
	var since string
	first.change(func() { since = first.cursor })
	const before, clients = 300, 24
	conn := pgtest.Connect(t, database)
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter)
		select repeat('c', 200), 's', 'l', 'r' from generate_series(1, $1)`, before)
	first.awaitEvents(ctx, before)

	tx := pgtest.Begin(t, database)
	if _, err := tx.Exec(ctx, `lock table pgherald.events in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	all := []*eventSource{first}
	for range clients {
		all = append(all, openEventSource(ctx, t, n.at("/api/events?since="+url.QueryEscape(since))))
	}
	pgtest.AwaitLockWait(t, conn, pgtest.LockWait{Name: "pgherald log", Sessions: 2}) // of several clients
	for _, c := range all {
		c.await(ctx, "stale", func() bool { return c.modes["stale"] > 0 })
	}
	if response := send(ctx, t, n.at("/readyz")); response.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", response.Status)
	}
	if strings.Contains(n.log.String(), "listener disconnected") {
		t.Error("the listener lost its connection to the reads of the log")
	}
	pgtest.Rollback(t, tx)
	insertActivity(ctx, t, database, "after")
	for _, c := range all {
		c.awaitEvents(ctx, before+1)
		c.check(before + 1)
	}
}

// TestResultsCutOff cuts the connections of a server in the middle of the result that has a large transaction, earlier and
// later. Clients receive each event once, whether the feed or the log has it.
func TestResultsCutOff(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	n := newNode(proxy.URL(database), func(c *server.Config) { c.Tuning.FeedBytes = 1 << 20 })
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	var clients []*eventSource
	for _, query := range []string{"", "?batch=50ms", "?types=activity_created"} {
		clients = append(clients, openEventSource(ctx, t, n.at("/api/events"+query)))
	}
	for _, c := range clients {
		c.await(ctx, "the first event", func() bool { return c.modes["live"] > 0 })
	}
	conn := pgtest.Connect(t, database)
	const rows = 1000
	rounds := []int{1 << 10, 8 << 10, 64 << 10, 256 << 10, 512 << 10}
	for i, bytes := range rounds {
		insertActivity(ctx, t, database, fmt.Sprint("before ", i)) // the server reads again
		for _, c := range clients {
			c.awaitEvents(ctx, i*(rows+1)+1)
		}
		proxy.CutAfter(bytes)
		pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter)
			select repeat('c', 200), repeat('s', 200), repeat('l', 200), 'r' from generate_series(1, $1)`, rows)
		for _, c := range clients {
			c.awaitEvents(ctx, (i+1)*(rows+1))
		}
		proxy.CutAfter(-1)
	}
	for _, c := range clients {
		c.check(len(rounds) * (rows + 1))
	}
	if !strings.Contains(n.log.String(), "event log became unreadable") {
		t.Errorf("no read of the log failed:\n%s", n.log.tail())
	}
}

// awaitServed waits until a client that came without a cursor while its server started has a stream of it, and checks that
// it then receives what is written, once.
func awaitServed(ctx context.Context, t *testing.T, c *eventSource, database string) {
	t.Helper()
	c.await(ctx, "live", func() bool { return c.modes["live"] > 0 })
	insertActivity(ctx, t, database, "after the start")
	c.awaitEvents(ctx, 1)
	c.check(1)
	if stale := c.count(func() int { return c.modes["stale"] }); stale == 0 {
		t.Error("the server that started said nothing about it")
	}
}
