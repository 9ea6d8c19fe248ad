package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestMetrics writes an event to a client, and then compares what a scrape says with the dashboard,
// with the manual, and with what happened.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) { c.Listen.AdminAddr = "127.0.0.1:0" })
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	operators := n.said(t, "serving operators", "url")
	hearOneActivity(ctx, t, n)

	happened := []string{
		`pgherald_ready 1` + "\n",
		`pgherald_connections 0` + "\n",
		`pgherald_connections_opened_total{mode="live"} 1` + "\n",
		`pgherald_connections_closed_total{reason="client_gone"} 1` + "\n",
		`pgherald_events_total{type="activity_created"} 1` + "\n",
		`pgherald_sent_events_total 1` + "\n",
		`pgherald_read_lag_seconds_count 1` + "\n",
		`pgherald_listener_up 1` + "\n",
		`pgherald_leader_state{state="idle"} 1` + "\n",
		`pgherald_unannounced_events_total 0` + "\n",
		`pgherald_database_up 1` + "\n",
		`pgherald_prune_failures_total 0` + "\n",
		`pgherald_prune_last`,
	}
	var text string
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			t.Logf("the last scrape lacks %q:\n%s", missing, text)
		}
	})
	waitFor(ctx, t, "the metrics", func() bool { // the server notices the end of a stream a little later
		text = fetch(ctx, t, operators+"/metrics")
		missing = slices.DeleteFunc(slices.Clone(happened), func(line string) bool { return strings.Contains(text, line) })
		return len(missing) == 0
	})
	exported := namesIn(regexp.MustCompile(`(?m)^# TYPE (\S+)`), text)
	checkDashboard(t, exported)
	checkRules(t, exported)
	checkManual(t, exported)
	// Each shard that had a client observes the event once.
	if !regexp.MustCompile(`(?m)^pgherald_commit_to_write_seconds_count 1$`).MatchString(text) {
		t.Errorf("the latency of one event, written once, was not observed once:\n%s", text)
	}
}

// hearOneActivity makes an activity while one client listens, and hangs up when that has heard of it.
func hearOneActivity(ctx context.Context, t *testing.T, n *node) {
	t.Helper()
	client := newHTTPClient(t)
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	request, err := http.NewRequestWithContext(listening, http.MethodGet, n.at("/api/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), `"sync"`) {
		continue
	}
	const body = `{"category":"c","subcategory":"s","location":"l","reporter":"r"}`
	answer, err := client.Post(n.at("/api/activities"), "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	for lines.Scan() {
		if strings.Contains(lines.Text(), "activity_created") {
			return
		}
	}
	t.Fatalf("the stream ended without the event: %v", lines.Err())
}

func fetch(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := newHTTPClient(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, %v\n%s", url, response.StatusCode, err, body)
	}
	return string(body)
}

// namesIn returns what the pattern's group matches, once each.
func namesIn(pattern *regexp.Regexp, text string) map[string]bool {
	names := make(map[string]bool)
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		names[match[1]] = true
	}
	return names
}

// checkDashboard compares both ways: a panel on what does not exist, and a metric of ours that no panel
// shows.
func checkDashboard(t *testing.T, exported map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			for name := range namesIn(regexp.MustCompile(`\b((?:pgherald|go|process)_[a-z_]+)`), target.Expr) {
				name = strings.TrimSuffix(name, "_bucket")
				if shown[name] = true; !exported[name] {
					t.Errorf("panel %q asks for %s, which no server exports", panel.Title, name)
				}
			}
		}
	}
	for name := range exported {
		if strings.HasPrefix(name, "pgherald_") && !shown[name] {
			t.Errorf("no panel of the dashboard shows %s", name)
		}
	}
}

// checkRules looks for alerts on what does not exist, and for alerts that the manual does not know.
func checkRules(t *testing.T, exported map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "prometheus-rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range namesIn(regexp.MustCompile(`\b(pgherald_[a-z_]+)`), string(raw)) {
		if !exported[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("an alert asks for %s, which no server exports", name)
		}
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := namesIn(regexp.MustCompile(`(?m)^      - alert: (\w+)$`), string(raw))
	if diff := cmp.Diff(alerts, namesIn(regexp.MustCompile(`(?m)^\| (Pgherald\w+) \|`), string(manual))); diff != "" {
		t.Errorf("the manual knows other alerts (-alerts +manual):\n%s", diff)
	}
}

// checkManual compares the names with the table of docs/operations.md.
func checkManual(t *testing.T, exported map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := slices.Sorted(maps.Keys(namesIn(regexp.MustCompile("(?m)^\\| `(pgherald_[a-z_]+)"), string(raw))))
	ours := slices.DeleteFunc(slices.Sorted(maps.Keys(exported)), func(name string) bool { return !strings.HasPrefix(name, "pgherald_") })
	if diff := cmp.Diff(ours, documented); diff != "" {
		t.Errorf("the table of docs/operations.md differs from what is exported (-exported +documented):\n%s", diff)
	}
}

// said returns a field of the first line of the log with this message.
func (n *node) said(t testing.TB, message, field string) string {
	t.Helper()
	for line := range strings.Lines(n.log.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			return fmt.Sprint(entry[field])
		}
	}
	t.Fatalf("the server did not say %q", message)
	return ""
}

// TestLogLevelWhileRunning makes a server talkative, and silent again.
func TestLogLevelWhileRunning(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) { c.Listen.AdminAddr = "127.0.0.1:0" })
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	operators := n.said(t, "serving operators", "url")
	for _, level := range []string{"error", "info"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, operators+"/log-level", strings.NewReader(level))
		if err != nil {
			t.Fatal(err)
		}
		response, err := newHTTPClient(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		before := strings.Count(n.log.String(), "stream closed")
		hearOneActivity(ctx, t, n)
		if level == "error" {
			waitFor(ctx, t, "the end of the stream", func() bool {
				return strings.Contains(fetch(ctx, t, operators+"/metrics"), `closed_total{reason="client_gone"} 1`+"\n")
			})
			if strings.Count(n.log.String(), "stream closed") != before {
				t.Error("with the level error, the end of a stream is still logged")
			}
			continue
		}
		waitFor(ctx, t, "a log line of the stream's end", func() bool { return strings.Count(n.log.String(), "stream closed") > before })
	}
}
