package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// docs/guarantees.md has the result of -args -failovers.clients=10000 -failovers.all -failovers.interval=250ms -hang=60m
var (
	failoverClients  = flag.Int("failovers.clients", 30, "clients of TestFailovers")
	failoverInterval = flag.Duration("failovers.interval", 20*time.Millisecond, "time between two events of TestFailovers")
	failoverAll      = flag.Bool("failovers.all", false, "run TestFailovers with a URL of two hosts, too, and without a loss in between")
)

// failover is a kind of failover.
type failover struct {
	name  string
	sync  bool // the standby is synchronous
	loses bool // the standby is cut off before the last events
	proxy bool // HAProxy leads to the primary, and not a URL with two hosts
}

// TestFailovers kills the primary under writes, promotes its standby, makes a standby of the old primary with pg_rewind, and
// goes back in the same way. Clients of three servers stay or move between them. Each client that received what was lost is
// reset, and no other; and each has what the log has, from its first event or its last reset on.
func TestFailovers(t *testing.T) {
	t.Parallel()
	parts := newParts(t)
	defer parts.wait()
	for _, f := range []failover{
		{name: "HAProxy, synchronous", sync: true, proxy: true},
		{name: "HAProxy, standby cut off", loses: true, proxy: true},
		{name: "HAProxy, asynchronous", proxy: true},
		{name: "two hosts, synchronous", sync: true},
		{name: "two hosts, standby cut off", loses: true},
		{name: "two hosts, asynchronous"},
	} {
		if *failoverAll || f.proxy && f.sync != f.loses {
			parts.run(f.name, func(t *testing.T) { runFailovers(t, f) })
			if *failoverAll { // with many clients
				parts.wait()
			}
		}
	}
}

// failovers is one run.
type failovers struct {
	*testing.T
	failover
	ctx           context.Context
	first, second *pgtest.Cluster
	url           string // leads to the primary
	servers       []string
	writer        *sequence
	clients       []*sequenceClient
}

func runFailovers(t *testing.T, kind failover) {
	f := newFailovers(t, kind)
	reading, stop := context.WithCancel(f.ctx)
	var running sync.WaitGroup
	t.Cleanup(func() {
		stop()
		pgtest.Within(t, "the end of the clients", running.Wait)
	})
	for i, c := range f.clients {
		running.Go(func() { c.run(reading) })
		if i%200 == 199 { // not more at once than the sockets' backlog
			f.await("clients to connect", func() bool { return count(f.clients[:i-199], hasConnected) == i-199 })
		}
	}
	f.await("all clients to connect", func() bool { return count(f.clients, hasConnected) == len(f.clients) })
	running.Go(func() { f.writer.run(reading) })
	f.awaitEvents(20)
	f.fail(f.first, f.second)
	f.first.Follow(t, f.second)
	f.replicate(f.second)
	f.awaitEvents(20)
	f.fail(f.second, f.first)
	f.awaitEvents(20)
	f.writer.stop()
	log := f.readLog()
	f.await("the last event at all clients", func() bool {
		return count(f.clients, func(c *sequenceClient) bool { return c.last.Load() == log[len(log)-1] }) == len(f.clients)
	})
	stop()
	running.Wait()
	f.judge(log)
}

func newFailovers(t *testing.T, kind failover) *failovers {
	t.Helper()
	f := &failovers{T: t, failover: kind, ctx: testContext(t)}
	f.first = pgtest.NewCluster(t, "full_page_writes=on", "wal_log_hints=on") // pg_rewind needs both
	database := f.first.NewDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, database), `create role haproxy_check login`)
	f.first.Set(t, "wal_log_hints", "on") // pg_rewind reads the file
	f.first.Set(t, "wal_keep_size", "'256MB'")
	f.second = f.first.NewStandby(t, kind.sync)
	if kind.proxy {
		f.url = startDatabaseProxy(f.ctx, t, database, f.first.Addr(), f.second.Addr())
	} else {
		f.url = bothURL(t, database, f.first, f.second)
	}
	binary := buildProgram(t)
	for range 3 {
		_, at := serveProgram(t, binary, f.url, "--max-connections=15000")
		f.servers = append(f.servers, strings.TrimPrefix(at, "http://"))
	}
	f.writer = &sequence{t: t, ctx: f.ctx, url: f.url}
	for i := range *failoverClients {
		f.clients = append(f.clients, newSequenceClient(f.writer, f.servers, i))
	}
	return f
}

// fail kills the primary and promotes its standby. If something is to be lost, the standby is cut off before.
func (f *failovers) fail(primary, standby *pgtest.Cluster) {
	f.Helper()
	if f.loses {
		f.cutOff(primary, standby)
		f.awaitEvents(5)
	}
	primary.Kill(f.T)
	now := &failoverTime{number: f.writer.begun.Load(), ended: time.Now()}
	f.writer.failover.Store(now)
	standby.Promote(f.T)
	f.await("the first event after the failover", func() bool { return now.returned.Load() != nil })
	hears := func(c *sequenceClient) bool { return c.hears(now) }
	f.await("all clients to receive it", func() bool { return count(f.clients, hears) == len(f.clients) })
	returned := *now.returned.Load()
	var waits []time.Duration
	for _, c := range f.clients {
		waits = append(waits, max(0, c.heard.Load().at.Sub(returned)).Round(time.Millisecond))
	}
	slices.Sort(waits)
	f.Logf("PostgreSQL took %v to commit again; after that the first client waited %v, the middle one %v, the last %v",
		returned.Sub(now.ended).Round(time.Millisecond), waits[0], waits[len(waits)/2], waits[len(waits)-1])
}

// judge checks what each client received.
func (f *failovers) judge(log []int64) {
	f.Helper()
	var all verdict
	for i, c := range f.clients {
		v := c.judge(log)
		all.lost, all.resets, all.idle, all.gaps = all.lost+v.lost, all.resets+v.resets, all.idle+v.idle, append(all.gaps, v.gaps...)
		if v.idle > 0 {
			f.Logf("client %d, which moves: %t, was reset %d times without a loss, at %s", i, c.roams, v.idle, c.parts[len(c.parts)-1].server)
		}
	}
	f.Logf("%d clients, %d events, %d of %d numbers lost or not written; %d times a client had received something lost, %d resets, %d of them without a loss, %d gaps",
		len(f.clients), len(log), f.writer.begun.Load()-int64(len(log)), f.writer.begun.Load(), all.lost, all.resets, all.idle, len(all.gaps))
	for _, err := range all.gaps[:min(10, len(all.gaps))] {
		f.Error(err)
	}
	if all.idle > 0 {
		f.Errorf("%d resets of clients that had received nothing that was lost", all.idle)
	}
	switch {
	case f.sync && all.lost > 0:
		f.Error("a synchronous standby lost something")
	case f.loses && all.lost < len(f.clients):
		f.Errorf("%d clients received something that was lost: the test shows too little", all.lost)
	}
}

// cutOff ends the replication, and waits until the primary notices that.
func (f *failovers) cutOff(primary, standby *pgtest.Cluster) {
	f.Helper()
	standby.Set(f.T, "primary_conninfo", "''")
	conn, err := pgx.Connect(f.ctx, primary.URL("postgres"))
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close(f.ctx)
	f.await("the standby to be cut off", func() bool {
		var n int
		return conn.QueryRow(f.ctx, `select count(*) from pg_stat_replication`).Scan(&n) == nil && n == 0
	})
}

// replicate waits until the standby follows the primary.
func (f *failovers) replicate(primary *pgtest.Cluster) {
	f.Helper()
	state := "async"
	if f.sync {
		state = "sync"
		primary.Set(f.T, "synchronous_standby_names", "'*'")
	}
	conn, err := pgx.Connect(f.ctx, primary.URL("postgres"))
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close(f.ctx)
	f.await("the old primary to follow the new one", func() bool {
		var follows bool
		err := conn.QueryRow(f.ctx, `select exists (select from pg_stat_replication where state = 'streaming' and sync_state = $1)`, state).Scan(&follows)
		return err == nil && follows
	})
}

func (f *failovers) await(what string, holds func() bool) {
	f.Helper()
	waitFor(f.ctx, f.T, what, holds)
}

// awaitEvents waits until each client has some more events.
func (f *failovers) awaitEvents(n int) {
	f.Helper()
	target := f.writer.committed.Load() + int64(n)
	f.await(fmt.Sprint(n, " events at all clients"), func() bool {
		return count(f.clients, func(c *sequenceClient) bool { return c.last.Load() >= target }) == len(f.clients)
	})
}

// readLog returns the numbers in the log of the last primary, in their order.
func (f *failovers) readLog() (numbers []int64) {
	f.Helper()
	conn, err := pgx.Connect(f.ctx, f.url)
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close(f.ctx)
	rows, err := conn.Query(f.ctx, `select data::text::bigint from pgherald.events where type = 'custom' order by id`)
	if err == nil {
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err != nil {
		f.Fatal(err)
	}
	return numbers
}

func hasConnected(c *sequenceClient) bool { return c.hasConnected.Load() }

func count[T any](all []T, holds func(T) bool) (n int) {
	for _, one := range all {
		if holds(one) {
			n++
		}
	}
	return n
}

// startDatabaseProxy runs HAProxy in front of two PostgreSQLs, with the configuration in deploy/, and returns the URL of a
// database through it.
func startDatabaseProxy(ctx context.Context, t *testing.T, database, a, b string) string {
	t.Helper()
	program := findHAProxy(t)
	config, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "haproxy-postgres.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	at := pgtest.FreeAddr(t)
	text := string(config)
	for old, fresh := range map[string]string{"bind :5432\n": "bind " + at + "\n", "server a 127.0.0.1:5432": "server a " + a, "server b 127.0.0.1:5433": "server b " + b} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("deploy/haproxy-postgres.cfg does not contain %q once", old)
		}
		text = strings.Replace(text, old, fresh, 1)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, []byte(text))
	startProxy(ctx, t, at, program, "-f", file)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = at
	waitFor(ctx, t, "HAProxy to find the primary", func() bool {
		conn, err := pgx.Connect(ctx, u.String())
		if err == nil {
			conn.Close(ctx)
		}
		return err == nil
	})
	return u.String()
}
