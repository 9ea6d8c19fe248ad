package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
)

// TestOrigins sends the headers of browsers on pages of other origins.
func TestOrigins(t *testing.T) {
	const own, other = "https://app.example.com", "https://evil.example"
	none, every, one := api.Origins{}, api.Origins{Allowed: []string{"*"}}, api.Origins{Allowed: []string{own}}
	signed := api.Origins{Allowed: []string{own}, Credentials: true}
	tests := []struct {
		name                string
		origins             api.Origins
		origin              string
		allowed, cookies    string // in the response's headers
		write               int    // status of a POST to a path that does not exist
		preflightForWriting bool
	}{
		{"none", none, own, "", "", 403, false},
		{"every", every, other, "*", "", 403, false},
		{"one of them", one, own, own, "", 404, true},
		{"another one", one, other, "", "", 403, false},
		{"null", one, "null", "", "", 403, false},
		{"with cookies", signed, own, own, "true", 404, true},
		{"another one, with cookies", signed, other, "", "", 403, false},
		{"a suffix", signed, own + ".evil.example", "", "", 403, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(test.origins) }})
			got := s.open("", "Origin", test.origin).response.Header
			if got.Get("Access-Control-Allow-Origin") != test.allowed || got.Get("Access-Control-Allow-Credentials") != test.cookies {
				t.Errorf("stream: %v", got)
			}
			response, _ := s.request(http.MethodPost, "/api/activities", "Origin", test.origin, "Sec-Fetch-Site", "cross-site")
			if response.StatusCode != test.write {
				t.Errorf("POST: %d, want %d", response.StatusCode, test.write)
			}
			response, _ = s.request(http.MethodOptions, "/api/activities", "Origin", test.origin,
				"Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", "authorization,content-type")
			if allowed := response.Header.Get("Access-Control-Allow-Methods") != ""; allowed != test.preflightForWriting {
				t.Errorf("preflight: %v", response.Header)
			}
		})
	}
}

func TestInvalidOrigins(t *testing.T) {
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

func withOrigins(origins ...string) streamServerOptions {
	return streamServerOptions{api: func(o *apiOptions) { o.add(api.Origins{Allowed: origins}) }}
}

// By default, pages of other origins may neither read nor write. The headers of the browser decide; other clients send none.
func TestOtherOrigins(t *testing.T) {
	s, every := newStreamServer(t, streamServerOptions{}), newStreamServer(t, withOrigins("*"))
	for name, header := range map[string][]string{
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"},
		"same site":      {"Sec-Fetch-Site", "same-site"},
		"an old browser": {"Origin", "https://elsewhere.example"},
		"a sandbox":      {"Origin", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			s, every := s.forTest(t), every.forTest(t)
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				s.expectProblem(http.StatusForbidden, "--cors-origins", method, "/api/activities", header...)
				every.expectProblem(http.StatusForbidden, "may read here, not write", method, "/api/activities", header...)
			}
			for _, path := range []string{"/api/events?user=eve", "/api/stats", "/api/activities"} {
				s.expectProblem(http.StatusForbidden, "--cors-origins", http.MethodGet, path, header...)
			}
			if n := s.stats().TotalConnections; n != 0 {
				t.Errorf("the page has opened %d streams", n)
			}
			every.openSynced("", header...).disconnect()
			s.request(http.MethodGet, "/healthz", header...)
		})
	}
	s.expectProblem(http.StatusNotFound, "", http.MethodPost, "/api/activities") // passes the origin check
	s.expectProblem(http.StatusNotFound, "", http.MethodPost, "/api/activities", "Sec-Fetch-Site", "same-origin")
}

func TestPreflight(t *testing.T) {
	s, closed := newStreamServer(t, withOrigins("*")), newStreamServer(t, streamServerOptions{})
	preflight := func(s *streamServer, method string) http.Header {
		response, _ := s.request(http.MethodOptions, "/api/events", "Origin", "https://elsewhere.example",
			"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "last-event-id")
		return response.Header
	}
	if h := preflight(s, http.MethodGet); h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "last-event-id" {
		t.Errorf("GET: %v", h)
	}
	if h := preflight(s, http.MethodPost); h.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("POST: %v", h)
	}
	if h := preflight(closed, http.MethodGet); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("GET by default: %v", h)
	}
}

// Every response has the security headers.
func TestSecurityHeaders(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	for _, target := range []string{"/api/stats", "/healthz", "/nothing", "/api/events?nonsense=1"} {
		response, _ := s.request(http.MethodGet, target)
		if h := response.Header; h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, h)
		}
	}
	if h := s.open("").response.Header; h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("stream: %v", h)
	}
}

// A page that makes a browser resolve its own name to the server's address (DNS rebinding) is of the server's origin, but the
// request has the page's name.
func TestAbuseRebinding(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(api.Hosts{Allowed: []string{"app.example.com"}}) }})
	send := func(method, target, host string) string {
		conn := s.dial(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host +
			"\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	for _, target := range []string{"/", "/api/events", "/api/stats", "/healthz"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			got := send(method, target, "evil.example:8080")
			if !strings.HasPrefix(got, "HTTP/1.1 421 ") || !strings.Contains(got, "--allowed-hosts") {
				t.Errorf("%s %s: %s", method, target, got)
			}
		}
	}
	for _, host := range []string{"app.example.com", s.web.Listener.Addr().String(), "localhost"} {
		if got := send("GET", "/api/stats", host); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: %s", host, got)
		}
	}
}
