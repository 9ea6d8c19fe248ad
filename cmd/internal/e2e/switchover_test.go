package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// bothURL returns the URL of a database on whichever of the clusters is the primary.
func bothURL(t *testing.T, database string, clusters ...*pgtest.Cluster) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, c := range clusters {
		hosts = append(hosts, c.Addr())
	}
	u.Host = strings.Join(hosts, ",")
	query := u.Query()
	query.Set("target_session_attrs", "read-write")
	u.RawQuery = query.Encode()
	return u.String()
}

// TestSwitchover kills the primary under load and promotes a synchronous standby, and then goes back. No client is reset, and
// none misses an event or receives one twice.
func TestSwitchover(t *testing.T) {
	t.Parallel()
	first := pgtest.NewCluster(t, "full_page_writes=on", "wal_log_hints=on") // pg_rewind needs both
	database := first.NewDatabase(t)
	first.Set(t, "wal_log_hints", "on") // pg_rewind reads the file
	first.Set(t, "wal_keep_size", "'256MB'")
	second := first.NewStandby(t, true)
	tr := newTrial(t, bothURL(t, database, first, second), judge.Counters())
	nodes := []*node{tr.node(tr.url), tr.node(tr.url, smallFeed), tr.node(tr.url)}
	startNodes(tr.ctx, t, nodes...)
	reconnecting := tr.subscriber("reconnecting", nodes[0])
	reconnecting.leaveAtRandom(30_000)
	roaming := tr.subscriber("reconnecting at all servers", nodes...)
	roaming.leaveAtRandom(60_000)
	filtered := tr.subscriber("filtered", nodes[2])
	filtered.types = []string{tr.table.UpdateType}
	tr.subscribe(tr.subscriber("steady", nodes[0]), tr.subscriber("steady, small feed", nodes[1]), reconnecting, roaming, filtered)
	tr.write(6, true)
	tr.waitCommits(100)
	first.Kill(t)
	second.Promote(t)
	tr.waitCommits(100)
	first.Follow(t, second)
	second.Set(t, "synchronous_standby_names", "'*'")
	tr.waitCommits(100)
	second.Kill(t)
	first.Promote(t)
	tr.waitCommits(100)
	tr.finish()
}

// TestFailoverWithLoss promotes a standby that was cut off before the last events. The clients that have received those are
// reset, and the others are not.
func TestFailoverWithLoss(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	first := pgtest.NewCluster(t)
	database := first.NewDatabase(t)
	second := first.NewStandby(t, true)
	both := bothURL(t, database, first, second)
	patient := func(c *server.Config) { c.Tuning.StaleLimit = 0 } // streams wait for the failover, however long it takes
	nodes := []*node{newNode(both, patient), newNode(both, patient)}
	for _, n := range nodes {
		defer n.end(t)
	}
	startNodes(ctx, t, nodes...)
	conn := pgtest.Connect(t, database)
	publish := func(text string) {
		pgtest.Exec(t, conn, `select pgherald.publish('custom', to_json($1::text))`, text)
	}
	stays := openStream(ctx, t, nodes[0].at("/api/events"))
	leaves := openStream(ctx, t, nodes[1].at("/api/events"))
	loses := openStream(ctx, t, nodes[1].at("/api/events"))
	for _, s := range []*bufio.Scanner{stays, leaves, loses} {
		readTo(t, s, `"live"`)
	}
	publish("safe")
	before := cursorOf(t, readTo(t, leaves, "safe"))
	first.Set(t, "synchronous_standby_names", "''")
	second.Set(t, "primary_conninfo", "''")
	waitFor(ctx, t, "the standby to be cut off", func() bool {
		var n int
		return conn.QueryRow(ctx, `select count(*) from pg_stat_replication`).Scan(&n) == nil && n == 0
	})
	publish("lost")
	after := cursorOf(t, readTo(t, loses, "lost"))
	readTo(t, stays, "lost")
	first.Kill(t)
	second.Promote(t)
	readTo(t, stays, `"mode":"reset","reason":"other_log"`)
	readTo(t, loses, `"mode":"reset","reason":"other_log"`)
	for _, n := range nodes {
		got := readToFresh(t, openStream(ctx, t, n.at("/api/events"), "Last-Event-ID", before))
		if !strings.Contains(got, `"resumed"`) {
			t.Errorf("a client that has received nothing that is lost: %s", got)
		}
		got = readToFresh(t, openStream(ctx, t, n.at("/api/events"), "Last-Event-ID", after))
		if !strings.Contains(got, `"reset"`) {
			t.Errorf("a client that has received what is lost: %s", got)
		}
	}
	conn = pgtest.Connect(t, second.URL(databaseName(t, database)))
	publish("new")
	for _, s := range []*bufio.Scanner{stays, loses} {
		if got := readTo(t, s, "new"); strings.Contains(got, "lost") {
			t.Errorf("after the failover: %s", got)
		}
	}
}

// readToFresh reads a stream to its first sync event that is not about a server that is stale for a moment.
func readToFresh(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	got := readTo(t, lines, `"sync"`)
	for strings.Contains(got, `"stale"`) {
		got = readTo(t, lines, `"sync"`)
	}
	return got
}

// TestCrashWithoutSynchronousCommit kills PostgreSQL after commits that it had not written yet. Clients that have received
// lost events are reset; in the end each has what the log has.
func TestCrashWithoutSynchronousCommit(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	cluster := pgtest.NewCluster(t)
	database := cluster.NewDatabase(t)
	cluster.Set(t, "wal_writer_delay", "'10s'")
	n := newNode(database)
	defer n.end(t)
	startNodes(ctx, t, n)
	conn := pgtest.Connect(t, database)
	s := openStream(ctx, t, n.at("/api/events"))
	readTo(t, s, `"live"`)
	losses, resets := 0, 0
	for round := 0; round < 5 || losses == 0 && round < 20; round++ { // on a slow machine PostgreSQL may write before it is killed
		text := fmt.Sprint("round ", round)
		pgtest.Exec(t, conn, `set synchronous_commit = off`)
		pgtest.Exec(t, conn, `select pgherald.publish('custom', to_json($1::text))`, text)
		readTo(t, s, text)
		cluster.Kill(t)
		cluster.Start(t)
		conn = pgtest.Connect(t, database)
		var isThere bool
		if err := conn.QueryRow(ctx, `select exists (select from pgherald.events where data::text like '%' || $1 || '%')`, text).Scan(&isThere); err != nil {
			t.Fatal(err)
		}
		// A client that is reset may stand behind the first of these events: it would load what they report.
		stop := publishUntilStopped(t, conn, "after "+text)
		got := readTo(t, s, "after "+text)
		stop()
		if strings.Contains(got, `"reset"`) {
			resets++
		}
		if !isThere {
			losses++
		}
		if isThere == strings.Contains(got, `"reset"`) {
			t.Errorf("round %d: the event is in the log: %t; the client received %s", round, isThere, got)
		}
	}
	t.Logf("%d crashes lost an event, %d resets", losses, resets)
	if losses == 0 {
		t.Error("no crash lost anything: the test shows nothing")
	}
}

// publishUntilStopped publishes the text again and again. The connection is free once the function that it returns has
// returned.
func publishUntilStopped(t *testing.T, conn *pgx.Conn, text string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := conn.Exec(context.WithoutCancel(ctx), `select pgherald.publish('custom', to_json($1::text))`, text); err != nil {
				ended <- err
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				ended <- nil
				return
			}
		}
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("publish %s: %v", text, err)
		}
	}
}

// cursorOf returns the last cursor in lines of a stream.
func cursorOf(t *testing.T, lines string) string {
	t.Helper()
	_, after, _ := strings.Cut(lines[strings.LastIndex(lines, "id: "):], "id: ")
	cursor, _, _ := strings.Cut(after, "\n")
	if _, err := stream.ParseCursor(cursor); err != nil {
		t.Fatal(err)
	}
	return cursor
}

func databaseName(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}
