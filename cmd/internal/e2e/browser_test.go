package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// A page in a browser on the machine of a server with default settings can neither write nor read there: not under
// a name of its own that leads to the server (DNS rebinding), and not from its own origin. The same holds for the
// operators' address.
func TestPagesOfOthersHaveNoAccess(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	n := newNode(databaseURL, withAdmin)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	admin := n.logged(t, "serving operators", "url")
	rebound := []string{"Host", "evil.example:8080", "Origin", "http://evil.example:8080", "Sec-Fetch-Site", "same-origin"}
	foreign := []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}
	for _, c := range []struct {
		method, url string
		header      []string
		status      int
	}{
		{"POST", n.at("/api/activities"), rebound, 421},
		{"GET", n.at("/api/activities"), rebound, 421},
		{"GET", n.at("/api/events"), rebound, 421},
		{"GET", n.at("/"), rebound, 421},
		{"POST", n.at("/api/activities"), foreign, 403},
		{"GET", n.at("/api/activities"), foreign, 403},
		{"GET", n.at("/api/events?user=eve"), foreign, 403},
		{"GET", admin + "/metrics", rebound, 421},
		{"GET", admin + "/debug/pprof/heap", rebound, 421},
		{"PUT", admin + "/log-level", rebound, 421},
		{"GET", admin + "/metrics", foreign, 403},
		{"GET", admin + "/debug/pprof/profile?seconds=60", foreign, 403},
		{"PUT", admin + "/log-level", foreign, 403},
		{"GET", admin + "/debug/pprof/cmdline", nil, 404},
		{"GET", admin + "/metrics", nil, 200},
		{"POST", n.at("/api/activities"), nil, 201},
	} {
		status, header := sendAs(ctx, t, c.method, c.url, c.header)
		if status != c.status || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s with %v: %d %v, want %d", c.method, c.url, c.header, status, header, c.status)
		}
	}
	var activities int
	conn := pgtest.Connect(t, databaseURL)
	if err := conn.QueryRow(ctx, `select count(*)::int from public.activities`).Scan(&activities); err != nil || activities != 1 {
		t.Errorf("%d activities, %v, want 1", activities, err)
	}
}

// sendAs sends an activity with the headers of a browser, and returns the status and the headers of the response.
func sendAs(ctx context.Context, t *testing.T, method, url string, header []string) (int, http.Header) {
	t.Helper()
	response := askWith(ctx, t, func() *http.Request {
		var body io.Reader
		if method != http.MethodGet {
			body = strings.NewReader(activity)
		}
		r, err := http.NewRequestWithContext(ctx, method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
			if header[i] == "Host" {
				r.Host = header[i+1]
			}
		}
		return r
	})
	return response.StatusCode, response.Header
}
