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
	"github.com/pgherald/pgherald/stream/status"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func checkLines(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	got := scrape(m)
	for _, line := range lines {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the scrape lacks %q:\n%s", line, got)
		}
	}
}

// A publisher that invents a type for each event must not create a time series for each.
func TestEventTypesAreBounded(t *testing.T) {
	m := metrics.New("")
	for i := range 10_000 {
		m.EventRead(&stream.Event{Type: fmt.Sprintf("type_%d", i), At: time.Now()})
	}
	if n := strings.Count(scrape(m), "pgherald_events_total{"); n != 201 {
		t.Errorf("10000 types have %d series, want 200 and one for the others", n)
	}
	checkLines(t, m, `pgherald_events_total{type="other"} 9800`)
}

func TestStreamsAreCountedByLabel(t *testing.T) {
	m := metrics.New("")
	m.Opened(stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetPruned})
	m.Closed(sse.CloseOther, time.Second)
	m.Opened(stream.Sync{Mode: stream.ModeLive})
	m.Closed(sse.CloseSlow, time.Second)
	m.Opened(stream.Sync{Mode: stream.ModeLive})
	m.Rejected(admission.LimitRate)
	checkLines(t, m, `pgherald_connections 1`,
		`pgherald_connections_opened_total{mode="live"} 2`,
		`pgherald_connections_closed_total{reason="other"} 1`,
		`pgherald_connections_closed_total{reason="slow"} 1`,
		`pgherald_connections_closed_total{reason="expired"} 0`,
		`pgherald_resets_total{reason="pruned"} 1`,
		`pgherald_connections_rejected_total{limit="rate"} 1`)
}

// The database's clock may be ahead of the server's.
func TestLatencyIsNeverNegative(t *testing.T) {
	m := metrics.New("")
	now := time.Now()
	m.Written([]stream.EventTimes{
		{Inserted: now.Add(time.Hour).UnixNano(), Read: now.Add(-2 * time.Second).UnixNano()},
		{Inserted: now.Add(-time.Second).UnixNano(), Read: now.UnixNano()},
	}, now)
	checkLines(t, m, `pgherald_insert_to_write_seconds_sum 1`, `pgherald_insert_to_write_seconds_count 2`,
		`pgherald_read_to_write_seconds_sum 2`, `pgherald_read_to_write_seconds_count 2`)
}

func TestSourcesAreExported(t *testing.T) {
	m := metrics.New("")
	m.Watch(metrics.Sources{
		Listener: func() status.Listener {
			return status.Listener{Live: true, RoundTrip: 250 * time.Millisecond, Disconnects: 2}
		},
		Leader: func() status.Leader { return status.Leader{State: status.Leading, Terms: 3} },
		Log:    func() (status.Log, bool) { return status.Log{QueueUsage: 0.5, Bytes: 4096}, true },
		Triggers: func() status.Triggers {
			return status.Triggers{Checked: time.UnixMilli(1500), Failures: 4, Kinds: map[string]int{"missing": 2, "disabled": 0}}
		},
	})
	checkLines(t, m, `pgherald_trigger_drift{kind="missing"} 2`, `pgherald_trigger_drift{kind="disabled"} 0`,
		`pgherald_trigger_check_failures_total 4`, `pgherald_trigger_check_last_timestamp_seconds 1.5`)
	checkLines(t, m, `pgherald_listener_up 1`, `pgherald_listener_round_trip_seconds 0.25`, `pgherald_listener_disconnects_total 2`,
		`pgherald_leader_state{state="idle"} 0`, `pgherald_leader_state{state="leading"} 1`, `pgherald_leader_state{state="draining"} 0`,
		`pgherald_leader_terms_total 3`, `pgherald_database_up 1`, `pgherald_notification_queue_usage_ratio 0.5`, `pgherald_log_bytes 4096`)
}

// TestConsumers checks the metrics of consumers, of which two have one name once it is made fit for a label.
func TestConsumers(t *testing.T) {
	m := metrics.New("")
	found := status.Consumers{List: []status.Consumer{
		{Name: "a?", State: status.ConsumerRunning, LagMS: 1500, Behind: 7, Parked: 2}, {Name: "a?", State: status.ConsumerStopped}, {Name: "job", State: status.ConsumerJob, Lost: true},
	}}
	m.Watch(metrics.Sources{Consumers: func() status.Consumers { return found }})
	checkLines(t, m, `pgherald_consumers_up 1`, `pgherald_consumer_lag_seconds{consumer="a?"} 1.5`, `pgherald_consumer_behind_events{consumer="a?"} 7`,
		`pgherald_consumer_parked_events{consumer="a?"} 2`, `pgherald_consumer_running{consumer="a?"} 1`, `pgherald_consumer_lost{consumer="job"} 1`)
	if got := scrape(m); strings.Contains(got, `running{consumer="job"}`) {
		t.Errorf("a job has no process:\n%s", got)
	}
	found = status.Consumers{Error: "away"}
	checkLines(t, m, `pgherald_consumers_up 0`)
}

func TestUnknownFiguresOfTheLogAreOmitted(t *testing.T) {
	m := metrics.New("")
	m.Watch(metrics.Sources{Log: func() (status.Log, bool) { return status.Log{}, false }})
	checkLines(t, m, `pgherald_database_up 0`)
	if got := scrape(m); strings.Contains(got, "pgherald_notification_queue_usage_ratio") {
		t.Errorf("the scrape exports a figure that is unknown:\n%s", got)
	}
}

func BenchmarkWritten(b *testing.B) {
	m := metrics.New("")
	now := time.Now()
	times := []stream.EventTimes{{Inserted: now.Add(-5 * time.Millisecond).UnixNano(), Read: now.Add(-time.Millisecond).UnixNano()}}
	b.ReportAllocs()
	for b.Loop() {
		m.Written(times, now)
	}
}
