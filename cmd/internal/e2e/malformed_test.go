package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// docs/benchmarks.md has the result of -args -malformed.requests=100000.
var (
	malformedRequests = flag.Int("malformed.requests", 1000, "requests of TestMalformedRequests")
	malformedSeed     = flag.Uint64("malformed.seed", 0, "seed of TestMalformedRequests; 0 is a random one")
)

// generator makes requests that are malformed in one way or in several.
type generator struct {
	*rand.Rand
	cursor string // a valid one
	token  string // a valid one; empty if clients need none
}

// oneOf returns one of the texts.
func (g generator) oneOf(from ...string) string { return from[g.IntN(len(from))] }

// mostly returns the first text, and rarely one of the others.
func (g generator) mostly(usual string, others ...string) string {
	if g.IntN(12) > 0 {
		return usual
	}
	return g.oneOf(others...)
}

// text returns a value that a parser may not expect.
func (g generator) text() string {
	switch g.IntN(8) {
	case 0:
		return ""
	case 1:
		return g.cursor
	case 2:
		return g.mutate(g.cursor)
	case 3:
		b := make([]byte, g.IntN(64))
		for i := range b {
			b[i] = byte(g.IntN(256))
		}
		return string(b)
	case 4:
		return strings.Repeat(g.oneOf("x", "9", "-", ".", ",", "%", "é", "{", "[", "\""), g.IntN(5000))
	case 5:
		return g.oneOf("null", "true", "-1", "1e309", "0x10", "99999999999999999999", "\u202e", "\x00", "' or 1=1 --", "../../etc/passwd", "${jndi:ldap://x}")
	case 6:
		return g.oneOf(g.token, g.mutate(g.token), "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA", "Bearer", "a.b.c", "....")
	default:
		return g.oneOf("a,b", "activity_created", ",", "250ms", "10s", "1", "alice", "HQ")
	}
}

// mutate changes a few bytes.
func (g generator) mutate(s string) string {
	b := []byte(s)
	for range 1 + g.IntN(4) {
		at := g.IntN(len(b) + 1)
		switch g.IntN(3) {
		case 0:
			b = append(b[:at], append([]byte{byte(g.IntN(256))}, b[at:]...)...)
		case 1:
			if at < len(b) {
				b[at] ^= 1 << g.IntN(8)
			}
		default:
			b = append(b[:at], b[min(len(b), at+g.IntN(8)):]...)
		}
	}
	return string(b)
}

// target returns a path with a query.
func (g generator) target() string {
	path := g.oneOf("/api/events", "/api/events", "/api/events", "/api/activities", "/api/activities/00000000-0000-4000-8000-000000000000",
		"/api/activities/"+url.PathEscape(g.text()), "/api/activities/x/notes", "/api/activities/x/assignment", "/api/stats", "/api/presence", "/api/tickets",
		"/api/events/"+url.PathEscape(g.text())+"/token", "/", "/healthz", "/readyz", "//", "/api/../api/events", "*", "http://elsewhere.example/api/events", "/"+url.PathEscape(g.text()))
	var query []string
	for range g.IntN(4) {
		name := g.oneOf("since", "lastEventId", "types", "key", "where.location", "where.", "batch", "conflate", "user", "access_token", "ticket", "limit", "after", "status", "q", url.QueryEscape(g.text()))
		value := g.text()
		if g.IntN(4) > 0 {
			value = url.QueryEscape(value)
		}
		query = append(query, name+"="+value)
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, g.oneOf("&", "&", "&", ";"))
	}
	return path
}

// body returns the body of a request.
func (g generator) body() string {
	return g.oneOf(`{"category":"c","subcategory":"s","location":"l","reporter":"r"}`, `{"type":"mine","data":{"a":1}}`, `{"type":"sync","data":null}`,
		`{"category":`+strconv.Quote(g.text())+`}`, `{"status":"\u0000","notes":"\ud800"}`, strings.Repeat("[", g.IntN(20000)), `{"a":1}{"a":2}`, "\xff\xfe", g.text(), "")
}

// request returns the bytes of a request.
func (g generator) request() []byte {
	var b bytes.Buffer
	method := g.mostly(g.oneOf("GET", "GET", "GET", "POST", "PUT", "DELETE"), "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT", "get", "PRI", "\x16\x03\x01")
	fmt.Fprintf(&b, "%s %s %s\r\n", method, g.target(), g.mostly("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", ""))
	if g.IntN(20) > 0 {
		b.WriteString("Host: localhost\r\n")
	}
	if g.token != "" && g.IntN(3) > 0 {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", g.token)
	}
	for range g.IntN(5) {
		name := g.oneOf("Last-Event-ID", "Last-Event-ID", "Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "Forwarded", "Content-Type",
			g.mostly("Accept", "Expect"), "Accept-Encoding", "Range", "If-None-Match", "Upgrade", "Connection", "HTTP2-Settings", "Access-Control-Request-Method", "Trailer")
		value := g.oneOf(g.text(), "Bearer "+g.text(), "__Host-pgherald="+g.text(), "cross-site", "application/json", "100-continue", "h2c", "upgrade", "for="+g.text())
		if g.IntN(10) > 0 {
			value = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(value)
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	body := g.body()
	switch g.IntN(6) {
	case 0:
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	case 1:
		fmt.Fprintf(&b, "Content-Length: %s\r\n\r\n%s", g.oneOf("-1", "99", "0", "x", "18446744073709551616", "5, 5"), body)
	case 2:
		fmt.Fprintf(&b, "Content-Type: application/json\r\nTransfer-Encoding: %s\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", g.oneOf("chunked", "chunked", "gzip", "chunked, chunked"), len(body), body)
	default:
		b.WriteString("\r\n")
	}
	if g.IntN(5) == 0 {
		return []byte(g.mutate(b.String()))
	}
	return b.Bytes()
}

// incompleteAfter is the time without a response after which a request counts as incomplete: the server waits
// for the rest of it.
const incompleteAfter = 100 * time.Millisecond

// statusDisconnected counts a 503 that arrives after the client has closed its side: the server cancelled the
// request, which is correct.
const statusDisconnected = 499

// send sends a request and returns the status of the response, 0 if there is none.
func (g generator) send(ctx context.Context, addr string, request []byte) (int, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+g.IntN(100)))}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err // the server must always accept
	}
	defer conn.Close()
	tcp := conn.(*net.TCPConn)
	_ = tcp.SetLinger(0) // no port stays in TIME_WAIT
	_ = tcp.SetDeadline(time.Now().Add(incompleteAfter))
	_, _ = tcp.Write(request) // the server may reject it before it is sent
	head := make([]byte, 512)
	n, err := io.ReadAtLeast(tcp, head, len("HTTP/1.1 200"))
	incomplete := errors.Is(err, os.ErrDeadlineExceeded)
	if incomplete {
		end, _ := ctx.Deadline()
		_ = tcp.SetDeadline(end)
		_ = tcp.CloseWrite()
		rest, _ := io.ReadAtLeast(tcp, head[n:], len("HTTP/1.1 200"))
		n += rest
	}
	if fields := strings.Fields(string(head[:n])); len(fields) > 1 && strings.HasPrefix(fields[0], "HTTP/1.") {
		status, err := strconv.Atoi(fields[1])
		if incomplete && status == http.StatusServiceUnavailable {
			status = statusDisconnected
		}
		return status, err
	}
	return 0, nil
}

// maxBusy is how often in a row a server that answers "come again" may say so to one request.
const maxBusy = 600

// sendUntil sends a request until the answer is not "come again".
func (g generator) sendUntil(ctx context.Context, addr string, request []byte) (status int, err error) {
	for range maxBusy {
		if status, err = g.send(ctx, addr, request); err != nil || !notYet(status) {
			break
		}
		if pause(ctx, askAgain); ctx.Err() != nil {
			break
		}
	}
	return status, err
}

// presenceUpdated is the type of the events that open streams cause.
const presenceUpdated = "presence_updated"

// goodClient is a client that makes no mistake.
type goodClient struct {
	mu sync.Mutex
	streamtest.Client
	err  error
	done chan struct{}
}

// read reads the stream until ctx ends, and signals each read on received.
func (c *goodClient) read(ctx context.Context, body io.ReadCloser, received chan<- struct{}) {
	defer close(c.done)
	defer body.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		c.mu.Lock()
		_, wrong := c.Write(buf[:n])
		if err != nil && ctx.Err() == nil {
			wrong = errors.Join(wrong, fmt.Errorf("the stream ended: %w", err))
		}
		c.err = errors.Join(c.err, wrong)
		c.mu.Unlock()
		select {
		case received <- struct{}{}:
		default:
		}
		if err != nil || wrong != nil {
			return
		}
	}
}

// hasFailed reports whether the client can receive nothing more.
func (c *goodClient) hasFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// check reports whether the client has a number of events and no error, and describes it. Presence events do
// not count: the clients receive different numbers of them.
func (c *goodClient) check(events int) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.Events() {
		if e.Type != presenceUpdated {
			n++
		}
	}
	good := c.err == nil && c.Resets == 0 && len(c.Control) > 0 && n == events
	return fmt.Sprintf("%v, %d resets, %d events of %d", c.err, c.Resets, n, events), good
}

// awaitEvents waits until all clients have as many events as the log, which may still grow: the server may
// execute requests whose clients are gone.
func awaitEvents(ctx context.Context, t *testing.T, conn *pgx.Conn, clients []*goodClient, received <-chan struct{}) {
	t.Helper()
	for {
		var events int
		const count = `select count(*) from pgherald.events where audience is null and type <> $1`
		if err := conn.QueryRow(ctx, count, presenceUpdated).Scan(&events); err != nil {
			t.Fatal(err)
		}
		var wrong []string
		hasFailed := false
		for _, c := range clients {
			if text, good := c.check(events); !good {
				wrong = append(wrong, text)
				hasFailed = hasFailed || c.hasFailed()
			}
		}
		if len(wrong) == 0 {
			return
		}
		if hasFailed {
			t.Fatalf("the good clients:\n%s", strings.Join(wrong, "\n"))
		}
		select {
		case <-received:
		case <-ctx.Done():
			t.Fatalf("the good clients:\n%s", strings.Join(wrong, "\n"))
		}
	}
}

// TestMalformedRequests sends malformed requests while good clients read and write. None may cause a 5xx, a
// panic, an error in the log or a leaked goroutine, or disturb the good clients.
func TestMalformedRequests(t *testing.T) {
	t.Run("without tokens", func(t *testing.T) { testMalformed(t, "") })
	t.Run("with tokens", func(t *testing.T) {
		testMalformed(t, newToken(t, "alice", inAnHour(), "all"), requireTokens, func(c *server.Config) {
			c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.OperatorRole = "all", "all", "all"
			c.Tokens.AllowURLToken = true
		})
	})
}

func testMalformed(t *testing.T, token string, changes ...func(*server.Config)) {
	seed := *malformedSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-malformed.seed=%d", seed)
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	n := newNode(databaseURL, changes...)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	conn := pgtest.Connect(t, databaseURL)
	listening, leave := context.WithCancel(ctx)
	defer leave()
	var header []string
	if token != "" {
		header = []string{"Authorization", "Bearer " + token}
	}
	received := make(chan struct{}, 1)
	var clients []*goodClient
	for range 10 {
		c := &goodClient{done: make(chan struct{})}
		go c.read(listening, ask(listening, t, n.at("/api/events"), header...).Body, received)
		clients = append(clients, c)
	}
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
	var stats struct{ Feed struct{ Cursor string } }
	if err := json.Unmarshal([]byte(get(ctx, t, n.at("/api/stats"), header...)), &stats); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	before := runtime.NumGoroutine()
	began := time.Now()
	responses := attack(ctx, t, strings.TrimPrefix(n.at(""), "http://"), generator{nil, stats.Feed.Cursor, token}, seed)
	t.Logf("%d requests in %v had these statuses: %v", *malformedRequests, time.Since(began).Round(time.Millisecond), responses)
	// The goroutines of the requests end. More connections to the database may be open than before.
	waitFor(ctx, t, fmt.Sprintf("the goroutines of requests to end: %d before", before), func() bool {
		return runtime.NumGoroutine() <= before+8
	})
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
	awaitEvents(ctx, t, conn, clients, received)
	leave()
	for _, c := range clients {
		<-c.done
	}
	if strings.Contains(n.log.String(), "panic") {
		t.Errorf("the log has panics:\n%s", n.log.tail())
	}
	for _, line := range n.faults(`"level":"ERROR"`) {
		t.Errorf("the log has an error: %s", line)
	}
}

// attackers is the number of concurrent senders.
const attackers = 16

// attack sends the requests and counts the responses by status.
func attack(ctx context.Context, t *testing.T, addr string, like generator, seed uint64) map[int]int {
	var mu sync.Mutex
	responses := make(map[int]int)
	var running sync.WaitGroup
	for i := range attackers {
		running.Go(func() {
			g := like
			g.Rand = rand.New(rand.NewPCG(seed, uint64(i)))
			for range *malformedRequests / attackers {
				request := g.request()
				status, err := g.sendUntil(ctx, addr, request)
				mu.Lock()
				responses[status]++
				mu.Unlock()
				// net/http responds with 501 to unknown transfer codings and with 505 to unknown versions.
				if err != nil || status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
					t.Errorf("status %d, %v, for %.600q", status, err, request)
				}
				if ctx.Err() != nil || t.Failed() {
					return
				}
			}
		})
	}
	running.Wait()
	return responses
}
