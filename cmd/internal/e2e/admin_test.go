package e2e

import (
	"context"
	"encoding/json"
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
	"github.com/pgherald/pgherald/migrations"
)

// withAdmin gives a server an address for operators.
func withAdmin(c *server.Config) { c.Listen.AdminAddr = "127.0.0.1:0" }

// TestMetrics delivers one event and compares a scrape with it, and the names of the metrics with the
// dashboard, the alerts and the manual.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	if err := migrations.Up(ctx, databaseURL, migrations.Engine()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `
insert into pgherald.consumers (name, log, next, holes, forwards_to)
select 'billing', 'x/' || l.id, pg_current_xact_id(), '{}', 'https://billing.example'
from pgherald.log as l`)
	n := newNode(databaseURL, withAdmin)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	admin := n.logged(t, "serving operators", "url")
	receiveActivity(ctx, t, n)

	wanted := []string{
		`pgherald_ready 1` + "\n",
		`pgherald_connections 0` + "\n",
		`pgherald_connections_closed_total{reason="client_gone"} 1` + "\n",
		`pgherald_events_total{type="activity_created"} 1` + "\n",
		`pgherald_sent_events_total 1` + "\n",
		`pgherald_insert_to_read_seconds_count 1` + "\n",
		`pgherald_listener_up 1` + "\n",
		`pgherald_leader_state{state="idle"} 1` + "\n",
		`pgherald_unannounced_events_total 0` + "\n",
		`pgherald_database_up 1` + "\n",
		`pgherald_prune_failures_total 0` + "\n",
		`pgherald_prune_last`,
		`pgherald_log_retain_age_seconds 86400` + "\n",
		`pgherald_trigger_check_last`,
		`pgherald_consumer_running{consumer="billing"} 0` + "\n",
		`pgherald_consumer_parked_events{consumer="billing"} 0` + "\n",
	}
	var text string
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			t.Logf("the last scrape lacks %q:\n%s", missing, text)
		}
	})
	waitFor(ctx, t, "the metrics", func() bool { // the server notices the end of a stream a little later
		text = get(ctx, t, admin+"/metrics")
		missing = slices.DeleteFunc(slices.Clone(wanted), func(line string) bool { return strings.Contains(text, line) })
		return len(missing) == 0
	})
	if !regexp.MustCompile(`(?m)^pgherald_connections_opened_total\{mode="(live|stale)"\} 1$`).MatchString(text) { // stale for a moment
		t.Errorf("the one stream was not counted once:\n%s", text)
	}
	exported := namesIn(regexp.MustCompile(`(?m)^# TYPE (\S+)`), text)
	checkDashboard(t, exported)
	checkRules(t, exported)
	checkManual(t, exported)
	if !regexp.MustCompile(`(?m)^pgherald_insert_to_write_seconds_count 1$`).MatchString(text) {
		t.Errorf("the latency of the one event was not observed once:\n%s", text)
	}
}

// namesIn returns the texts that the pattern's group matches.
func namesIn(pattern *regexp.Regexp, text string) map[string]bool {
	names := make(map[string]bool)
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		names[match[1]] = true
	}
	return names
}

// checkDashboard compares both ways: each panel reads exported metrics, and each metric of ours has a panel.
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
					t.Errorf("panel %q reads %s, which the server does not export", panel.Title, name)
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

// checkRules checks that alerts read exported metrics and that the manual lists the same alerts.
func checkRules(t *testing.T, exported map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "prometheus-rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range namesIn(regexp.MustCompile(`\b(pgherald_[a-z_]+)`), string(raw)) {
		if !exported[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("an alert reads %s, which the server does not export", name)
		}
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := namesIn(regexp.MustCompile(`(?m)^      - alert: (\w+)$`), string(raw))
	if diff := cmp.Diff(alerts, namesIn(regexp.MustCompile(`(?m)^\| (Pgherald\w+) \|`), string(manual))); diff != "" {
		t.Errorf("docs/operations.md lists other alerts (-alerts +manual):\n%s", diff)
	}
}

// checkManual compares the names with the table in docs/operations.md.
func checkManual(t *testing.T, exported map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := slices.Sorted(maps.Keys(namesIn(regexp.MustCompile("(?m)^\\| `(pgherald_[a-z_]+)"), string(raw))))
	ours := slices.DeleteFunc(slices.Sorted(maps.Keys(exported)), func(name string) bool { return !strings.HasPrefix(name, "pgherald_") })
	if diff := cmp.Diff(ours, documented); diff != "" {
		t.Errorf("the table in docs/operations.md differs from the exported metrics (-exported +documented):\n%s", diff)
	}
}

// TestLogLevelChangesWhileRunning turns the log down and up again.
func TestLogLevelChangesWhileRunning(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), withAdmin)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	admin := n.logged(t, "serving operators", "url")
	closed := func() int { return strings.Count(n.log.String(), "stream closed") }
	for _, level := range []string{"error", "info"} {
		setLogLevel(ctx, t, admin, level)
		before := closed()
		receiveActivity(ctx, t, n)
		if level == "error" {
			waitFor(ctx, t, "the end of the stream", func() bool {
				return strings.Contains(get(ctx, t, admin+"/metrics"), `closed_total{reason="client_gone"} 1`+"\n")
			})
			if closed() != before {
				t.Error("at level error, the end of a stream is logged")
			}
			continue
		}
		waitFor(ctx, t, "a log line of the stream's end", func() bool { return closed() > before })
	}
}

func setLogLevel(ctx context.Context, t *testing.T, admin, level string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, admin+"/log-level", strings.NewReader(level))
	if err != nil {
		t.Fatal(err)
	}
	response, err := newHTTPClient(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("set the level %s: %s", level, response.Status)
	}
}
