package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

// maxTypes bounds the types of events that are counted apart: whoever may publish names them, and each
// is a time series. Those that come later are counted as "other".
const maxTypes = 200

// other is the label of what has none of its own.
const other = "other"

// delays are the buckets of the histograms, in seconds.
var delays = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// resetReasons are why a client has to begin anew, as package stream says it.
var resetReasons = []string{"malformed", "other_log", "pruned", "future"}

// Metrics are the counters of one server. Make them with New.
type Metrics struct {
	registry *prometheus.Registry
	types    types

	open      prometheus.Gauge
	opened    *prometheus.CounterVec
	closed    *prometheus.CounterVec
	resets    *prometheus.CounterVec
	rejected  *prometheus.CounterVec
	duration  prometheus.Histogram
	bytes     prometheus.Counter
	delivered prometheus.Counter
	events    *prometheus.CounterVec
	latency   prometheus.Histogram
	readLag   prometheus.Histogram
}

// New returns metrics of a server of the given version, with everything at 0.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		open:     gauge("connections", "Streams that are open."),
		opened: counters("connections_opened_total", "Streams that were opened, by what the client was told first.",
			"mode", string(stream.ModeLive), string(stream.ModeResumed), string(stream.ModeReset)),
		closed: counters("connections_closed_total", "Streams that have ended, by reason.", "reason", sse.CloseReasons()...),
		resets: counters("resets_total", "Times that a client was told to begin anew, by reason.", "reason", resetReasons...),
		rejected: counters("connections_refused_total", "Requests for a stream that were refused because of a limit, by limit.",
			"limit", admission.Limits()...),
		duration: histogram("connection_duration_seconds", "How long streams lasted.",
			[]float64{1, 5, 30, 60, 300, 900, 3600, 14400, 86400}),
		bytes:     counter("sent_bytes_total", "Bytes written to streams."),
		delivered: counter("sent_events_total", "Events handed to connections: an event that goes to a thousand clients counts a thousand."),
		events:    counters[string]("events_total", "Events of the log that were read since start, by type.", "type"),
		latency: histogram("commit_to_write_seconds", "From the trigger's clock until an event was written to all clients that were ready for it: "+
			"once for each event and shard, not for each client.", delays),
		readLag: histogram("read_lag_seconds", "From the trigger's clock until an event was read from the log, once for each event.", delays),
	}
	m.types.known = make(map[string]prometheus.Counter)
	m.registry.MustRegister(m.open, m.opened, m.closed, m.resets, m.rejected, m.duration, m.bytes, m.delivered, m.events,
		m.latency, m.readLag, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := gauge("build_info", "Always 1; the label says which version runs.", "version", version)
	build.Set(1)
	m.registry.MustRegister(build)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Watch adds what the sources say of themselves. It must be called once at the most.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&collector{sources: s}) }

// Read is told of each event that was read from the log.
func (m *Metrics) Read(e *stream.Event) {
	m.types.counter(m.events, e.Type).Inc()
	m.readLag.Observe(since(e.At.UnixNano(), time.Now()))
}

// Opened is told of each stream that begins, and what its client was told.
func (m *Metrics) Opened(s stream.Sync) {
	m.open.Inc()
	m.opened.WithLabelValues(string(s.Mode)).Inc()
	if s.Mode == stream.ModeReset {
		m.Reset(s.Reason)
	}
}

// Closed is told of each stream that has ended.
func (m *Metrics) Closed(reason sse.CloseReason, after time.Duration) {
	m.open.Dec()
	m.closed.WithLabelValues(string(reason)).Inc()
	m.duration.Observe(after.Seconds())
}

// Rejected counts a request for a stream that a limit rejected.
func (m *Metrics) Rejected(limit admission.Limit) { m.rejected.WithLabelValues(string(limit)).Inc() }

// Reset is told of each client that has to begin anew.
func (m *Metrics) Reset(reason stream.ResetReason) {
	m.resets.WithLabelValues(oneOf(resetReasons, string(reason))).Inc()
}

// Sent is told what was written to clients.
func (m *Metrics) Sent(bytes int64, events uint64) {
	m.bytes.Add(float64(bytes))
	m.delivered.Add(float64(events))
}

// Written is told when events that were just written to clients had been written to the log; Unix
// ns.
func (m *Metrics) Written(at []int64, now time.Time) {
	for _, t := range at {
		m.latency.Observe(since(t, now))
	}
}

// since is never negative: two machines' clocks differ.
func since(at int64, now time.Time) float64 {
	return max(0, time.Duration(now.UnixNano()-at).Seconds())
}
