package admin_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api/admin"
	"github.com/pgherald/pgherald/api/metrics"
)

// serve sends one request to a new handler at level info. It returns the answer and the level after it.
func serve(t *testing.T, method, target, body string, header ...string) (*httptest.ResponseRecorder, slog.Level) {
	t.Helper()
	var level slog.LevelVar
	h := admin.Handler(metrics.New("v1").Handler(), &level, slog.New(slog.DiscardHandler))
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, level.Level()
}

func TestLogLevel(t *testing.T) {
	tests := []struct {
		method, body string
		status       int
		answer       string
		level        slog.Level
	}{
		{http.MethodGet, "", 200, "info\n", slog.LevelInfo},
		{http.MethodPut, "debug", 200, "debug\n", slog.LevelDebug},
		{http.MethodPut, "WARN\n", 200, "warn\n", slog.LevelWarn},
		{http.MethodPut, "loud", 400, "\"loud\" is no log level: send debug, info, warn or error\n", slog.LevelInfo},
		{http.MethodPut, "", 400, "\"\" is no log level: send debug, info, warn or error\n", slog.LevelInfo},
		{http.MethodPost, "debug", 405, "Method Not Allowed\n", slog.LevelInfo},
	}
	for _, test := range tests {
		w, level := serve(t, test.method, "/log-level", test.body)
		if w.Code != test.status || w.Body.String() != test.answer || level != test.level {
			t.Errorf("%s /log-level %q: %d %q and level %v, want %d %q and %v", test.method, test.body, w.Code, w.Body, level, test.status, test.answer, test.level)
		}
	}
}

func TestPageOfAnotherOriginChangesNothing(t *testing.T) {
	w, level := serve(t, http.MethodPut, "/log-level", "debug", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if w.Code != http.StatusForbidden || level != slog.LevelInfo {
		t.Errorf("PUT /log-level from another origin: %d and level %v, want 403 and INFO", w.Code, level)
	}
}

func TestProfilesAndMetrics(t *testing.T) {
	for target, want := range map[string]string{
		"/":                         "/log-level",
		"/metrics":                  `pgherald_build_info{version="v1"} 1`,
		"/debug/pprof/":             "goroutine",
		"/debug/pprof/heap?debug=1": "heap profile",
	} {
		if w, _ := serve(t, http.MethodGet, target, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d without %q in\n%s", target, w.Code, want, w.Body)
		}
	}
}

// The command line may contain a password.
func TestCommandLineIsNotServed(t *testing.T) {
	for _, target := range []string{"/debug/pprof/cmdline", "/debug/pprof/cmdline/", "/debug/pprof//cmdline", "/debug/vars"} {
		if w, _ := serve(t, http.MethodGet, target, ""); w.Code < 300 || strings.Contains(w.Body.String(), os.Args[0]) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w, _ := serve(t, http.MethodGet, "/debug/pprof/heap?debug=1", ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), os.Args[1]) {
		t.Errorf("the heap profile has the status %d or contains %s", w.Code, os.Args[1])
	}
}
