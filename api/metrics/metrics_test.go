package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func wants(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	got := scrape(m)
	for _, line := range lines {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}

// TestTypesAreBounded lets a publisher invent a type for each event: each is a time series, and would
// cost memory here and in Prometheus for ever.
func TestTypesAreBounded(t *testing.T) {
	m := metrics.New("")
	for i := range 10_000 {
		m.Read(&stream.Event{Type: fmt.Sprintf("type_%d", i), At: time.Now()})
	}
	if n := strings.Count(scrape(m), "pgherald_events_total{"); n != 201 {
		t.Errorf("%d series, want 200 and the others'", n)
	}
	wants(t, m, `pgherald_events_total{type="other"} 9800`)
}

// TestLabelsAreKnown counts what says an error of the log, in which anything may stand, as other.
func TestLabelsAreKnown(t *testing.T) {
	m := metrics.New("")
	m.Opened(stream.Sync{Mode: stream.ModeReset, Reason: "pruned"})
	m.Closed(sse.CloseOther, time.Second)
	m.Opened(stream.Sync{Mode: stream.ModeLive})
	m.Closed(sse.CloseSlow, time.Second)
	m.Opened(stream.Sync{Mode: stream.ModeLive})
	m.Rejected(admission.LimitRate)
	wants(t, m, `pgherald_connections 1`,
		`pgherald_connections_opened_total{mode="live"} 2`,
		`pgherald_connections_closed_total{reason="other"} 1`,
		`pgherald_connections_closed_total{reason="slow"} 1`,
		`pgherald_connections_closed_total{reason="expired"} 0`,
		`pgherald_resets_total{reason="pruned"} 1`,
		`pgherald_connections_refused_total{limit="rate"} 1`)
}

// TestClocksMayDiffer takes an event that was written in the future for one of now.
func TestClocksMayDiffer(t *testing.T) {
	m := metrics.New("")
	now := time.Now()
	m.Written([]int64{now.Add(time.Hour).UnixNano(), now.Add(-time.Second).UnixNano()}, now)
	wants(t, m, `pgherald_commit_to_write_seconds_sum 1`, `pgherald_commit_to_write_seconds_count 2`)
}

// TestUnknownIsAbsent leaves out what the database did not say.
func TestUnknownIsAbsent(t *testing.T) {
	m := metrics.New("")
	m.Watch(metrics.Sources{Database: func() (metrics.Database, bool) { return metrics.Database{}, false }})
	wants(t, m, `pgherald_database_answers 0`)
	if got := scrape(m); strings.Contains(got, "pgherald_notification_queue_usage_ratio") {
		t.Error("a figure that is not known is exported")
	}
}

func BenchmarkWritten(b *testing.B) {
	m := metrics.New("")
	now := time.Now()
	at := []int64{now.Add(-5 * time.Millisecond).UnixNano()}
	b.ReportAllocs()
	for b.Loop() {
		m.Written(at, now)
	}
}
