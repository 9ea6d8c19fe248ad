package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
)

// newLimitedServer returns a server with limits, to which all requests come through a proxy on loopback.
func newLimitedServer(t *testing.T, o admission.Options) (*streamServer, *metrics.Metrics) {
	t.Helper()
	o.Proxies.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	m := metrics.New("")
	return newStreamServer(t, streamServerOptions{api: func(a *apiOptions) { a.Streams.Admission, a.Metrics = admission.New(o), m }}), m
}

// expectRejection requests a stream and expects a rejection with a valid Retry-After.
func (s *streamServer) expectRejection(status int, code, target string, header ...string) {
	s.Helper()
	response, body := s.request(http.MethodGet, "/api/events"+target, header...)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if response.StatusCode != status || err != nil || seconds < 1 || seconds > 60 || !strings.Contains(body, `"code":"`+code+`"`) {
		s.Errorf("%d, Retry-After %q, %s; want %d and %s", response.StatusCode, response.Header.Get("Retry-After"), body, status, code)
	}
}

// openEventually retries until a stream is admitted: the server notices after a moment that a client has disconnected.
func (s *streamServer) openEventually(target string, header ...string) *streamClient {
	s.Helper()
	deadline := time.Now().Add(waitLimit)
	for {
		l := s.open(target, header...)
		if l.response.StatusCode == http.StatusOK {
			return l
		}
		l.disconnect()
		if time.Now().After(deadline) {
			s.Fatal("no stream is admitted again")
		}
	}
}

// Streams beyond the limit are rejected; those that are open continue.
func TestTooManyStreams(t *testing.T) {
	s, m := newLimitedServer(t, admission.Options{Total: 3})
	var open []*streamClient
	for range 3 {
		open = append(open, s.openSynced(""))
	}
	for range 20 {
		s.expectRejection(http.StatusServiceUnavailable, "limit_total", "")
	}
	s.commit("a")
	for _, l := range open {
		l.readUntil(`"a"`)
	}
	if n, _ := s.logs.count("stream opened"); n != 3 {
		t.Errorf("%d streams were opened", n)
	}
	if got := scrape(m); !strings.Contains(got, `pgherald_connections_rejected_total{limit="total"} 20`) {
		t.Errorf("20 rejections are not counted in\n%s", got)
	}
	open[0].disconnect()
	s.openEventually("").readUntil(`"sync"`)
}

// The limit of one user does not affect other users. A request with an invalid parameter releases its slot.
func TestTooManyStreamsOfAUser(t *testing.T) {
	s, _ := newLimitedServer(t, admission.Options{PerUser: 1, Total: 4})
	alice := s.openSynced("?user=alice")
	for range 5 {
		s.expectRejection(http.StatusTooManyRequests, "limit_user", "?user=alice")
		s.expectProblem(http.StatusBadRequest, "user", http.MethodGet, "/api/events?user=")
		s.expectProblem(http.StatusBadRequest, "no", http.MethodGet, "/api/events?user=bob&nonsense=1")
	}
	s.openSynced("?user=bob")
	s.commit("a")
	alice.readUntil(`"a"`)
	alice.disconnect()
	s.openEventually("?user=alice").readUntil(`"sync"`)
}

func TestTooManyStreamsFromAnAddress(t *testing.T) {
	s, _ := newLimitedServer(t, admission.Options{PerAddress: 2})
	s.openSynced("", "X-Forwarded-For", "192.0.2.1")
	last := s.openSynced("", "X-Forwarded-For", "192.0.2.1")
	s.expectRejection(http.StatusTooManyRequests, "limit_address", "", "X-Forwarded-For", "192.0.2.1")
	s.expectRejection(http.StatusTooManyRequests, "limit_address", "", "X-Forwarded-For", "10.9.8.7, 192.0.2.1") // a forged first address
	s.openSynced("", "X-Forwarded-For", "192.0.2.2")
	last.disconnect()
	s.openEventually("", "X-Forwarded-For", "192.0.2.1").readUntil(`"sync"`)
	s.logs.await(t, 1, "stream closed", "remote=192.0.2.1", "client_gone")
}

// Requests for streams count for the rate, valid or not.
func TestStreamsTooFast(t *testing.T) {
	s, _ := newLimitedServer(t, admission.Options{Rate: 0.001})
	healthy := s.openSynced("", "X-Forwarded-For", "192.0.2.2")
	for i := range 10 {
		s.request(http.MethodGet, fmt.Sprintf("/api/events?nonsense=%d", i), "X-Forwarded-For", "192.0.2.1")
	}
	for range 10 {
		s.expectRejection(http.StatusTooManyRequests, "limit_rate", "", "X-Forwarded-For", "192.0.2.1")
	}
	s.commit("a")
	healthy.readUntil(`"a"`)
}

// Headers that are too large are refused before they are parsed.
func TestTooLarge(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
	healthy := s.openSynced("")
	conn := s.dial("")
	_, _ = io.WriteString(conn, "GET /api/events HTTP/1.1\r\nHost: pgherald\r\nX-Large: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	answer, _ := io.ReadAll(conn) // may fail: the server closes while the client still sends
	if text := string(answer); text != "" && !strings.HasPrefix(text, "HTTP/1.1 431") {
		t.Errorf("response %.40q, want status 431", text)
	}
	l := s.open("", "Last-Event-ID", strings.Repeat("9", 8<<10)) // within the limit: a malformed cursor
	l.readUntil(`"reason":"malformed"`)
	s.commit("a")
	healthy.readUntil(`"a"`)
}

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	r, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}
