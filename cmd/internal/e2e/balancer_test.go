package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// startProxy runs a proxy, and returns when it listens at the address.
func startProxy(ctx context.Context, t *testing.T, at, program string, args ...string) {
	t.Helper()
	var log syncBuffer
	running, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(running, program, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		stop()
		pgtest.Within(t, "the end of "+program, func() { <-ended })
		if t.Failed() {
			t.Logf("the log of %s:\n%s", program, log.String())
		}
	})
	for {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended:\n%s", program, log.String())
		case <-ctx.Done():
			t.Fatalf("%s does not listen", program)
		default:
			pause(ctx, time.Millisecond)
		}
	}
}

// findHAProxy returns the program, or skips the test.
func findHAProxy(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program = "/usr/sbin/haproxy"; exec.Command(program, "-v").Run() != nil {
			t.Skip("HAProxy is not installed: tools/setup installs it on Debian")
		}
	}
	return program
}

// startHAProxy runs HAProxy in front of two servers, with the configuration in deploy/, and returns its URL.
func startHAProxy(ctx context.Context, t *testing.T, a, b string) string {
	t.Helper()
	program := findHAProxy(t)
	config, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	at := pgtest.FreeAddr(t)
	text := string(config)
	for old, fresh := range map[string]string{
		"bind :80\n": "bind " + at + "\n", "127.0.0.1:8080": strings.TrimPrefix(a, "http://"), "127.0.0.1:8081": strings.TrimPrefix(b, "http://"),
		"maxconn 100000": "maxconn 1000",
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("deploy/haproxy.cfg does not contain %q", old)
		}
		text = strings.ReplaceAll(text, old, fresh)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, []byte(text))
	startProxy(ctx, t, at, program, "-f", file)
	return "http://" + at
}

// TestOutageBehindHAProxy and TestOutageBehindNginx stop PostgreSQL behind replicas behind a proxy for longer than the stale
// limit, and then all replicas. An EventSource, which an answer other than a stream ends for ever, receives everything once.
func TestOutageBehindHAProxy(t *testing.T) {
	t.Parallel()
	testOutageBehind(t, 2, func(ctx context.Context, t *testing.T, at []string) string { return startHAProxy(ctx, t, at[0], at[1]) })
}

func TestOutageBehindNginx(t *testing.T) {
	t.Parallel()
	testOutageBehind(t, 3, func(ctx context.Context, t *testing.T, at []string) string { return startNginx(ctx, t, at...) })
}

func testOutageBehind(t *testing.T, replicas int, startProxy func(context.Context, *testing.T, []string) string) {
	ctx := testContext(t)
	cluster := pgtest.NewCluster(t)
	database := cluster.NewDatabase(t)
	binary := buildProgram(t)
	var addrs, urls []string
	for range replicas {
		addr := pgtest.FreeAddr(t)
		addrs, urls = append(addrs, addr), append(urls, "http://"+addr)
	}
	servers := startReplicas(t, binary, database, addrs)
	url := startProxy(ctx, t, urls)
	awaitHeartbeats(ctx, t, database)
	clients := []*eventSource{}
	for _, query := range []string{"", "?batch=100ms", "?conflate=1", "?types=activity_created"} {
		clients = append(clients, openEventSource(ctx, t, url+"/api/events"+query))
	}
	for _, c := range clients {
		c.await(ctx, "live", func() bool { return c.modes["live"] > 0 })
	}
	insert := func(name string) { insertActivity(ctx, t, database, name) }
	insert("before")
	for _, c := range clients {
		c.awaitEvents(ctx, 1)
	}

	cluster.Stop(t)
	opened := map[*eventSource]int{}
	for _, c := range clients {
		opened[c] = c.count(func() int { return c.opens })
	}
	for _, c := range clients {
		c.await(ctx, "two further streams while PostgreSQL is away", func() bool { return c.modes["stale"] > 1 && c.opens > opened[c]+1 })
	}
	clients = append(clients, openEventSource(ctx, t, url+"/api/events")) // a new page, whose client has no cursor
	late := clients[len(clients)-1]
	late.await(ctx, "stale", func() bool { return late.modes["stale"] > 0 })
	for _, at := range urls {
		if response := send(ctx, t, at+"/readyz"); response.StatusCode != http.StatusOK {
			t.Errorf("%s/readyz answers %s during an outage of PostgreSQL", at, response.Status)
		}
		if response := send(ctx, t, at+"/readyz/events"); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s/readyz/events answers %s during an outage of PostgreSQL", at, response.Status)
		}
	}
	cluster.Start(t)
	insert("after")
	for _, c := range clients[:len(clients)-1] {
		c.awaitEvents(ctx, 2)
	}
	late.awaitEvents(ctx, 1)

	for _, s := range servers { // and now there is no server at all
		s.signal(t, syscall.SIGKILL)
		<-s.ended
	}
	insertions := 3
	failed := map[*eventSource]int{}
	for _, c := range clients {
		failed[c] = c.count(func() int { return c.failures })
	}
	for _, c := range clients {
		c.await(ctx, "attempts without a server", func() bool { return c.failures > failed[c]+1 })
	}
	startReplicas(t, binary, database, addrs)
	insert("at last")
	for _, c := range clients[:len(clients)-1] {
		c.awaitEvents(ctx, insertions)
		c.check(insertions)
	}
	late.awaitEvents(ctx, insertions-1)
	late.check(insertions - 1)
}

func startReplicas(t *testing.T, binary, database string, addrs []string) (servers []*program) {
	t.Helper()
	for _, addr := range addrs {
		p := startProgram(t, binary, "serve", "--database-url="+database, "--addr="+addr, "--probe-interval=200ms", "--stale-limit=5s", "--trusted-proxies=127.0.0.1")
		p.awaitLog(t, "serving", "url")
		servers = append(servers, p)
	}
	return servers
}

// awaitHeartbeats waits until all replicas know each other.
func awaitHeartbeats(ctx context.Context, t *testing.T, database string) {
	t.Helper()
	conn := pgtest.Connect(t, database)
	var since time.Time
	if err := conn.QueryRow(ctx, `select clock_timestamp()`).Scan(&since); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, "a heartbeat of each replica", func() bool {
		var all bool
		err := conn.QueryRow(ctx, `select bool_and(last_seen > $1) from pgherald.replicas`, since).Scan(&all)
		return err == nil && all
	})
	conn.Close(ctx)
}

func insertActivity(ctx context.Context, t *testing.T, database, category string) {
	t.Helper()
	conn := pgtest.Connect(t, database)
	defer conn.Close(ctx)
	_, err := conn.Exec(ctx, fmt.Sprintf(`insert into public.activities (category, subcategory, location, reporter) values ('%s', 's', 'l', 'r')`, category))
	if err != nil {
		t.Fatal(err)
	}
}
