package browser_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api/browser"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		host    string
		allowed browser.Hosts
		ok      bool
	}{
		{"127.0.0.1:8080", nil, true},
		{"127.0.0.1", nil, true},
		{"127.9.9.9:80", nil, true},
		{"[::1]:8080", nil, true},
		{"[::1]", nil, true},
		{"192.0.2.7:8080", nil, true},
		{"localhost:8080", nil, true},
		{"LOCALHOST", nil, true},
		{"localhost.:8080", nil, true},
		{"app.localhost", nil, true},
		{"", nil, true}, // HTTP/1.0, which no browser speaks
		{"evil.example", nil, false},
		{"evil.example:8080", nil, false},
		{"localhost.evil.example", nil, false},
		{"evillocalhost", nil, false},
		{"127.0.0.1.evil.example:8080", nil, false},
		{"127.0.0.1.nip.io", nil, false},
		{"127.1", nil, false},
		{"0x7f000001", nil, false},
		{"::1:8080:x", nil, false},
		{"user@127.0.0.1", nil, false},
		{"127.0.0.1 evil", nil, false},
		{"app.example.com", browser.Hosts{"app.example.com"}, true},
		{"APP.example.com.:443", browser.Hosts{"app.example.com"}, true},
		{"127.0.0.1", browser.Hosts{"app.example.com"}, true},
		{"x.app.example.com", browser.Hosts{"app.example.com"}, false},
		{"app.example.com.evil.example", browser.Hosts{"app.example.com"}, false},
		{"evil.example", browser.Hosts{"*"}, true},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		c.allowed.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if ok := w.Code == http.StatusOK; ok != c.ok || !ok && (w.Code != 421 || !strings.Contains(w.Body.String(), "--allowed-hosts")) {
			t.Errorf("%q with %v: %d %s, want %v", c.host, c.allowed, w.Code, w.Body, c.ok)
		}
	}
}

func TestRefusedHostIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	h := browser.Hosts{}.Protect(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://evil.example/api/stats?secret=1", nil))
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "host=evil.example") || strings.Contains(got, "secret") {
		t.Errorf("log output %s", got)
	}
}

func TestCheckHosts(t *testing.T) {
	for name, ok := range map[string]bool{
		"app.example.com": true, "app": true, "*": true,
		"": false, "https://app.example.com": false, "app.example.com:8080": false, "*.example.com": false, "a b": false,
	} {
		if err := (browser.Hosts{name}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := (browser.Hosts{"*", "a"}).Check(); err == nil {
		t.Error("* beside a name is accepted")
	}
}

func TestForeignPages(t *testing.T) {
	const own, trusted = "http://app.example", "https://partner.example"
	for name, c := range map[string]struct {
		method  string
		header  []string
		foreign bool
	}{
		"a program":                {"GET", nil, false},
		"own page":                 {"GET", []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, false},
		"address bar":              {"GET", []string{"Sec-Fetch-Site", "none"}, false},
		"own page, old browser":    {"GET", []string{"Origin", own}, false},
		"trusted page":             {"GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", trusted}, false},
		"other site":               {"GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		"other site, no cors":      {"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, true},
		"same site":                {"GET", []string{"Sec-Fetch-Site", "same-site"}, true},
		"another port":             {"GET", []string{"Origin", own + ":81"}, true},
		"sandbox":                  {"GET", []string{"Origin", "null"}, true},
		"link":                     {"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		"frame":                    {"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, true},
		"form":                     {"POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		"other site, head request": {"HEAD", []string{"Sec-Fetch-Site", "cross-site"}, true},
	} {
		r := httptest.NewRequest(c.method, own+"/api/events", nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		if got := browser.NewForeignPages(trusted).Caused(r); got != c.foreign {
			t.Errorf("%s: foreign %v, want %v", name, got, c.foreign)
		}
	}
}
