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

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
)

// patience is how long these tests wait for what must come.
const patience = time.Minute

// limited is a station with limits, on which everybody comes from a proxy on loopback.
func newLimitedServer(t *testing.T, o admission.Options) (*streamServer, *metrics.Metrics) {
	t.Helper()
	o.Proxies.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	m := metrics.New("")
	return newStreamServer(t, streamServerOptions{api: func(a *apiOptions) { a.Streams.Admission, a.Metrics = admission.New(o), m }}), m
}

// turnedAway asks for a stream that must be refused, and looks at when it may come again.
func (s *streamServer) expectRejection(status int, code, target string, header ...string) {
	s.Helper()
	response, body := s.request(http.MethodGet, "/api/events"+target, header...)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if response.StatusCode != status || err != nil || seconds < 1 || seconds > 60 || !strings.Contains(body, `"code":"`+code+`"`) {
		s.Errorf("%d, Retry-After %q, %s; want %d and %s", response.StatusCode, response.Header.Get("Retry-After"), body, status, code)
	}
}

// eventually tries until it works: a server learns a little later that a client has gone.
func (s *streamServer) openEventually(target string, header ...string) *streamClient {
	s.Helper()
	deadline := time.Now().Add(patience)
	for {
		l := s.open(target, header...)
		if l.response.StatusCode == http.StatusOK {
			return l
		}
		l.disconnect()
		if time.Now().After(deadline) {
			s.Fatal("nobody is let in again")
		}
	}
}

// Too many streams: who comes is refused, who is there stays and hears everything.
func TestTooManyStreams(t *testing.T) {
	s, m := newLimitedServer(t, admission.Options{Total: 3})
	var there []*streamClient
	for range 3 {
		there = append(there, s.openSynced(""))
	}
	for range 20 {
		s.expectRejection(http.StatusServiceUnavailable, "limit_total", "")
	}
	s.commit("a")
	for _, l := range there {
		l.readUntil(`"a"`)
	}
	if n, _ := s.logs.count("stream opened"); n != 3 {
		t.Errorf("%d streams were opened", n)
	}
	if got := scrape(m); !strings.Contains(got, `pgherald_connections_refused_total{limit="total"} 20`) {
		t.Errorf("20 refusals are not counted in\n%s", got)
	}
	there[0].disconnect()
	s.openEventually("").readUntil(`"sync"`)
}

// One user with many tabs does not keep the others out, nor does one that only says the name wrongly keep a
// seat.
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
	s.expectRejection(http.StatusTooManyRequests, "limit_address", "", "X-Forwarded-For", "10.9.8.7, 192.0.2.1") // as if it came from elsewhere
	s.openSynced("", "X-Forwarded-For", "192.0.2.2")
	last.disconnect()
	s.openEventually("", "X-Forwarded-For", "192.0.2.1").readUntil(`"sync"`)
	s.logs.await(t, 1, "stream closed", "remote=192.0.2.1", "client_gone")
}

// A client that comes again and again without reading costs a refusal, whatever it asks for.
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

// What is too large is refused before it is looked at.
func TestTooLarge(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{server: func(h *http.Server) { h.MaxHeaderBytes = 64 << 10 }})
	healthy := s.openSynced("")
	conn := s.dial("")
	_, _ = io.WriteString(conn, "GET /api/events HTTP/1.1\r\nHost: pgherald\r\nX-Large: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	answer, _ := io.ReadAll(conn) // it may be reset: we were still sending
	if text := string(answer); text != "" && !strings.HasPrefix(text, "HTTP/1.1 431") {
		t.Errorf("large headers are answered with %.40q", text)
	}
	l := s.open("", "Last-Event-ID", strings.Repeat("9", 8<<10)) // a cursor is no error: it is malformed
	l.readUntil(`"reason":"malformed"`)
	s.commit("a")
	healthy.readUntil(`"a"`)
}

// TestOrigins asks as pages of other origins do.
func TestOrigins(t *testing.T) {
	const mine, other = "https://app.example.com", "https://evil.example"
	none, every, one := api.Origins{}, api.Origins{Allowed: []string{"*"}}, api.Origins{Allowed: []string{mine}}
	signed := api.Origins{Allowed: []string{mine}, Credentials: true}
	tests := []struct {
		name                string
		origins             api.Origins
		origin              string
		allowed, cookies    string // as the browser is told
		write               int    // status of a POST that would be a 404
		preflightForWriting bool
	}{
		{"none", none, mine, "", "", 403, false},
		{"every", every, other, "*", "", 403, false},
		{"one of them", one, mine, mine, "", 404, true},
		{"another one", one, other, "", "", 403, false},
		{"null", one, "null", "", "", 403, false},
		{"with cookies", signed, mine, mine, "true", 404, true},
		{"another one, with cookies", signed, other, "", "", 403, false},
		{"a suffix", signed, mine + ".evil.example", "", "", 403, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(test.origins) }})
			got := s.open("", "Origin", test.origin).response.Header
			if got.Get("Access-Control-Allow-Origin") != test.allowed || got.Get("Access-Control-Allow-Credentials") != test.cookies {
				t.Errorf("a stream: %v", got)
			}
			response, _ := s.request(http.MethodPost, "/api/activities", "Origin", test.origin, "Sec-Fetch-Site", "cross-site")
			if response.StatusCode != test.write {
				t.Errorf("POST: %d, want %d", response.StatusCode, test.write)
			}
			response, _ = s.request(http.MethodOptions, "/api/activities", "Origin", test.origin,
				"Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", "authorization,content-type")
			if told := response.Header.Get("Access-Control-Allow-Methods") != ""; told != test.preflightForWriting {
				t.Errorf("preflight: %v", response.Header)
			}
		})
	}
}

func TestOriginsThatMakeNoSense(t *testing.T) {
	for want, o := range map[string]api.Origins{
		"give it alone":               {Allowed: []string{"*", "https://a.example"}},
		"list the origins:":           {Allowed: []string{"*"}, Credentials: true},
		"without an allowed origin":   {Credentials: true},
		`"app.example.com" is not`:    {Allowed: []string{"app.example.com"}},
		`"https://a.example/" is not`: {Allowed: []string{"https://a.example/"}},
		`"ftp://a.example" is not`:    {Allowed: []string{"ftp://a.example"}},
		`"https://a*b" is not`:        {Allowed: []string{"https://a*b"}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// Every answer says what it is, and whom to tell where one came from.
func TestSecurityHeaders(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	for _, target := range []string{"/api/stats", "/healthz", "/nothing", "/api/events?nonsense=1"} {
		response, _ := s.request(http.MethodGet, target)
		if h := response.Header; h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, h)
		}
	}
	if h := s.open("").response.Header; h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a stream: %v", h)
	}
}

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	r, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}
