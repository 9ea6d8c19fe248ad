package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// startInBackground starts a server, and returns once it answers. The channel receives the end of the start.
func startInBackground(ctx context.Context, t *testing.T, n *node) <-chan error {
	t.Helper()
	t.Cleanup(func() { n.end(t) })
	started := make(chan error, 1)
	go func() { started <- n.start(ctx) }()
	waitFor(ctx, t, "the server to answer", func() bool {
		at := n.at("/healthz")
		if strings.HasPrefix(at, "/") {
			return false // it has no address yet
		}
		response, err := newHTTPClient(t).Get(at)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return started
}

// checkStartingPage checks that a browser gets a page that loads again, where a client of the API gets JSON.
func checkStartingPage(ctx context.Context, t *testing.T, n *node) {
	t.Helper()
	for path, isPage := range map[string]bool{"/": true, "/console": true, "/api/activities": false} {
		response := send(ctx, t, n.at(path), "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		body, _ := io.ReadAll(response.Body)
		got := strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") && strings.Contains(string(body), `http-equiv="refresh"`)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || got != isPage {
			t.Errorf("%s: %s %v %s", path, response.Status, response.Header, body)
		}
	}
	response := send(ctx, t, n.at("/"), "Accept", "*/*")
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `"code":"starting"`) {
		t.Errorf("/ without a browser: %s %s", response.Status, body)
	}
}

// TestStartWithoutDatabase starts a server while PostgreSQL is down. It answers, holds the streams of clients, and serves
// once PostgreSQL is up.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	cluster := pgtest.NewCluster(t)
	database := cluster.NewDatabase(t)
	n := newNode(database)
	cluster.Stop(t)
	started := startInBackground(ctx, t, n)

	waitFor(ctx, t, "the reason in /readyz", func() bool {
		response := send(ctx, t, n.at("/readyz"))
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "waiting for the database: ") &&
			strings.Contains(string(body), "refused")
	})
	list := send(ctx, t, n.at("/api/activities"))
	if body, _ := io.ReadAll(list.Body); list.StatusCode != http.StatusServiceUnavailable || list.Header.Get("Retry-After") == "" ||
		!strings.Contains(string(body), `"code":"starting"`) {
		t.Errorf("a list: %s %s", list.Status, body)
	}
	checkStartingPage(ctx, t, n)
	page := send(ctx, t, n.at("/api/events?since=x-1~1"), "Accept", "application/json") // unlike an EventSource, its client returns
	if body, _ := io.ReadAll(page.Body); page.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), `"code":"starting"`) {
		t.Errorf("a page of events: %s %s", page.Status, body)
	}
	stream := openStream(ctx, t, n.at("/api/events"))
	if text := readTo(t, stream, `"sync"`); !strings.HasPrefix(text, "retry: ") || !strings.Contains(text, `"mode":"stale"`) || strings.Contains(text, "id: ") {
		t.Errorf("a stream begins with\n%s", text)
	}
	early := openEventSource(ctx, t, n.at("/api/events"))
	early.await(ctx, "stale", func() bool { return early.modes["stale"] > 0 })
	foreign := send(ctx, t, n.at("/api/events"), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if foreign.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin gets %s", foreign.Status)
	}

	cluster.Start(t)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	for stream.Scan() { // to its end
	}
	if err := stream.Err(); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	readTo(t, openStream(ctx, t, n.at("/api/events")), `"mode":"live"`)
	if response := ask(ctx, t, n.at("/readyz")); response.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", response.Status)
	}
	n.logged(t, "waiting for the database", "reason")
	awaitServed(ctx, t, early, database)
}

// TestDatabaseGoesAwayDuringStart cuts the connections of a server again and again while it starts: it may be at any step.
func TestDatabaseGoesAwayDuringStart(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.EmptyDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	n := newNode(proxy.URL(database))
	cutting, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for step := time.Millisecond; cutting.Err() == nil; step += step / 4 {
			pause(cutting, step)
			proxy.Cut()
		}
	}()
	started := startInBackground(ctx, t, n)
	waitFor(ctx, t, "failed attempts or the end of the start", func() bool {
		return strings.Count(n.log.String(), `"msg":"waiting for the database"`) >= 2 || strings.Contains(n.log.String(), `"msg":"serving"`)
	})
	stop()
	<-ended
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	readTo(t, openStream(ctx, t, n.at("/api/events")), `"mode":"live"`)
}

// TestStopWhileWaiting ends a server that waits for its database.
func TestStopWhileWaiting(t *testing.T) {
	t.Parallel()
	p := startProgram(t, buildProgram(t), "serve", "--addr=127.0.0.1:0", "--database-url=postgres://postgres@127.0.0.1:1/x")
	p.awaitLog(t, "waiting for the database", "reason")
	p.signal(t, syscall.SIGTERM)
	<-p.ended
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
}

// TestResumeWhileDatabaseIsDown connects with a cursor during an outage: the feed in memory has what the client missed.
func TestResumeWhileDatabaseIsDown(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	cluster := pgtest.NewCluster(t)
	n := newNode(cluster.NewDatabase(t), func(c *server.Config) { c.Listen.H2C = true })
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	lines := openStream(ctx, t, n.at("/api/events"))
	readTo(t, lines, `"sync"`)
	var cursor string
	for _, name := range []string{"first", "second"} {
		postJSON(ctx, t, n.at("/api/activities"), strings.Replace(activity, `"c"`, `"`+name+`"`, 1))
		text := readTo(t, lines, name)
		if id := strings.LastIndex(text, "id: "); name == "first" {
			cursor, _, _ = strings.Cut(text[id+len("id: "):], "\n")
		}
	}
	cluster.Stop(t)
	readTo(t, openStream(ctx, t, n.at("/api/events"), "Last-Event-ID", cursor), "second")

	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.at("/api/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", cursor)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		t.Fatalf("HTTP/%d %s", response.ProtoMajor, response.Status)
	}
	readTo(t, bufio.NewScanner(response.Body), "second")
}
