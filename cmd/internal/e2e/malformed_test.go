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

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// The measured run of docs/benchmarks.md: -args -malformed.requests=100000
var (
	malformedRequests = flag.Int("malformed.requests", 1000, "requests of TestMalformedRequests")
	malformedSeed     = flag.Uint64("malformed.seed", 0, "seed of TestMalformedRequests; 0 is another one each time")
)

// nonsense makes requests that are wrong in one way or in several.
type nonsense struct {
	*rand.Rand
	cursor string // one that is right
	token  string // likewise; empty if nobody asks for one
}

func (g nonsense) oneOf(from ...string) string { return from[g.IntN(len(from))] }

// rarely returns mostly the first.
func (g nonsense) rarely(mostly string, others ...string) string {
	if g.IntN(12) > 0 {
		return mostly
	}
	return g.oneOf(others...)
}

// text is a value that somebody may not have thought of.
func (g nonsense) text() string {
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

// mutate changes some bytes.
func (g nonsense) mutate(s string) string {
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

func (g nonsense) target() string {
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

func (g nonsense) body() string {
	return g.oneOf(`{"category":"c","subcategory":"s","location":"l","reporter":"r"}`, `{"type":"mine","data":{"a":1}}`, `{"type":"sync","data":null}`,
		`{"category":`+strconv.Quote(g.text())+`}`, `{"status":"\u0000","notes":"\ud800"}`, strings.Repeat("[", g.IntN(20000)), `{"a":1}{"a":2}`, "\xff\xfe", g.text(), "")
}

// request is the bytes of one.
func (g nonsense) request() []byte {
	var b bytes.Buffer
	method := g.rarely(g.oneOf("GET", "GET", "GET", "POST", "PUT", "DELETE"), "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT", "get", "PRI", "\x16\x03\x01")
	fmt.Fprintf(&b, "%s %s %s\r\n", method, g.target(), g.rarely("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", ""))
	if g.IntN(20) > 0 {
		b.WriteString("Host: pgherald\r\n")
	}
	if g.token != "" && g.IntN(3) > 0 {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", g.token)
	}
	for range g.IntN(5) {
		name := g.oneOf("Last-Event-ID", "Last-Event-ID", "Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "Forwarded", "Content-Type",
			g.rarely("Accept", "Expect"), "Accept-Encoding", "Range", "If-None-Match", "Upgrade", "Connection", "HTTP2-Settings", "Access-Control-Request-Method", "Trailer")
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

// incomplete is how long an answer may take before a request counts as one that the server waits for the rest
// of.
const incomplete = 100 * time.Millisecond

// hungUp is the status of a request that was answered when we had hung up: that it was cancelled, which nobody
// but a test would read.
const hungUp = 499

// send sends a request and returns the status of the answer, 0 if there was none.
func (g nonsense) send(ctx context.Context, addr string) (int, []byte, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+g.IntN(100)))}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, nil, err // the server no longer accepts: that is what it must
	}
	defer conn.Close()
	tcp := conn.(*net.TCPConn)
	_ = tcp.SetLinger(0) // leaves no port behind
	request := g.request()
	_ = tcp.SetDeadline(time.Now().Add(incomplete))
	_, _ = tcp.Write(request) // it may be refused before it is sent
	head := make([]byte, 512)
	n, err := io.ReadAtLeast(tcp, head, len("HTTP/1.1 200"))
	hangsUp := errors.Is(err, os.ErrDeadlineExceeded)
	if hangsUp {
		end, _ := ctx.Deadline()
		_ = tcp.SetDeadline(end)
		_ = tcp.CloseWrite()
		rest, _ := io.ReadAtLeast(tcp, head[n:], len("HTTP/1.1 200"))
		n += rest
	}
	if fields := strings.Fields(string(head[:n])); len(fields) > 1 && strings.HasPrefix(fields[0], "HTTP/1.") {
		status, err := strconv.Atoi(fields[1])
		if hangsUp && status == http.StatusServiceUnavailable {
			status = hungUp
		}
		return status, request, err
	}
	return 0, request, nil
}

// presenceUpdated is the type of the events that listening itself causes.
const presenceUpdated = "presence_updated"

// healthy is a client that does everything right.
type healthy struct {
	mu sync.Mutex
	streamtest.Client
	err  error
	done chan struct{}
}

// listen hears the stream until ctx ends, and tells of each part that came.
func (h *healthy) listen(ctx context.Context, body io.ReadCloser, came chan<- struct{}) {
	defer close(h.done)
	defer body.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		h.mu.Lock()
		_, wrong := h.Write(buf[:n])
		if err != nil && ctx.Err() == nil {
			wrong = errors.Join(wrong, fmt.Errorf("the stream ended: %w", err))
		}
		h.err = errors.Join(h.err, wrong)
		h.mu.Unlock()
		select {
		case came <- struct{}{}:
		default:
		}
		if err != nil || wrong != nil {
			return
		}
	}
}

// has is false if the client has other events than so many, or is not healthy. Presence does not count: the
// first who came were announced before the last were there.
func (h *healthy) has(events int) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.Events() {
		if e.Type != presenceUpdated {
			n++
		}
	}
	well := h.err == nil && h.Resets == 0 && len(h.Control) > 0 && n == events
	return fmt.Sprintf("%v, %d resets, %d events of %d", h.err, h.Resets, n, events), well
}

// awaitEvents waits until all clients have what is in the log, which may still grow: a request whose sender
// hung up may be at work.
func awaitEvents(ctx context.Context, t *testing.T, conn *pgx.Conn, clients []*healthy, came <-chan struct{}) {
	t.Helper()
	for {
		var events int
		const count = `select count(*) from pgherald.events where audience is null and type <> $1`
		if err := conn.QueryRow(ctx, count, presenceUpdated).Scan(&events); err != nil {
			t.Fatal(err)
		}
		var wrong []string
		for _, c := range clients {
			if text, well := c.has(events); !well {
				wrong = append(wrong, text)
			}
		}
		if len(wrong) == 0 {
			return
		}
		select {
		case <-came:
		case <-ctx.Done():
			t.Fatalf("healthy clients:\n%s", strings.Join(wrong, "\n"))
		}
	}
}

// TestMalformedRequests sends all kinds of nonsense, while others listen and write. Nothing of it may be taken
// for the server's own mistake, crash anything, stay in memory, or be noticed by the others.
func TestMalformedRequests(t *testing.T) {
	t.Run("anybody", func(t *testing.T) { testMalformed(t, "") })
	t.Run("tokens", func(t *testing.T) {
		const secret = "a secret of more than 32 bytes, for tests"
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "i", "aud": "a", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"all"},
		}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		testMalformed(t, token, func(c *server.Config) {
			c.Tokens.Auth, c.Tokens.Issuer, c.Tokens.Audience, c.Tokens.Secret = "jwt", "i", "a", secret
			c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.OperatorRole = "all", "all", "all"
			c.Tokens.AllowURLToken = true
		})
	})
}

// askWithToken asks and expects a 200.
func askWithToken(ctx context.Context, t *testing.T, url, token string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := newHTTPClient(t).Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %v, %v", url, response, err)
	}
	return response
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
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	conn := pgtest.Connect(t, databaseURL)
	listening, leave := context.WithCancel(ctx)
	defer leave()
	came := make(chan struct{}, 1)
	var listeners []*healthy
	for range 10 {
		h := &healthy{done: make(chan struct{})}
		go h.listen(listening, askWithToken(listening, t, n.at("/api/events"), token).Body, came)
		listeners = append(listeners, h)
	}
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
	var stats struct{ Feed struct{ Cursor string } }
	answer := askWithToken(ctx, t, n.at("/api/stats"), token)
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	runtime.GC()
	before := runtime.NumGoroutine()
	began := time.Now()
	answers := attack(ctx, t, strings.TrimPrefix(n.at(""), "http://"), nonsense{nil, stats.Feed.Cursor, token}, seed)
	t.Logf("%d requests in %v were answered with %v", *malformedRequests, time.Since(began).Round(time.Millisecond), answers)
	// What they opened has ended: only the server's idle connections to the database may be more.
	waitFor(ctx, t, fmt.Sprintf("the goroutines of %d streams and requests to end", before), func() bool {
		return runtime.NumGoroutine() <= before+8
	})
	pgtest.Exec(t, conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', 'r')`)
	awaitEvents(ctx, t, conn, listeners, came)
	leave()
	for _, h := range listeners {
		<-h.done
	}
	if log := n.log.String(); strings.Contains(log, "panic") || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the log speaks of panics or errors:\n%s", n.log.tail())
	}
}

// attackers is how many send at the same time.
const attackers = 16

// attack sends the requests, some at a time, and counts the answers by status.
func attack(ctx context.Context, t *testing.T, addr string, like nonsense, seed uint64) map[int]int {
	var mu sync.Mutex
	answers := make(map[int]int)
	var running sync.WaitGroup
	for i := range attackers {
		running.Go(func() {
			g := like
			g.Rand = rand.New(rand.NewPCG(seed, uint64(i)))
			for range *malformedRequests / attackers {
				status, request, err := g.send(ctx, addr)
				mu.Lock()
				answers[status]++
				mu.Unlock()
				// 501 and 505 are what net/http says to a coding or a version of HTTP that it does not have.
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
	return answers
}
