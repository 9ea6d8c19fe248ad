// Package metrics exports the figures of a server to Prometheus.
//
// The API calls the methods of a Metrics for each stream and event; they take nanoseconds and never
// block. The other parts of the server are Sources: functions that a scrape calls. They answer from
// memory, so that a scrape never waits for the database.
//
// docs/operations.md lists every metric; a test compares the two.
package metrics

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

// namespace is the prefix of every metric here.
const namespace = "pgherald"

// maxTypes limits the number of event types that have their own counter. Publishers may use any number of
// types, and each counter is a time series, here and in Prometheus. Further types count as other.
const maxTypes = 200

// other is the label value for all values that have no time series of their own.
const other = "other"

// delayBuckets are the buckets of the latency histograms, in seconds.
var delayBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Metrics holds the counters of one server. Make one with New. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	types    typeCounters

	open          prometheus.Gauge
	opened        *prometheus.CounterVec
	closed        *prometheus.CounterVec
	resets        *prometheus.CounterVec
	resetCounts   map[stream.ResetReason]*atomic.Uint64
	rejected      *prometheus.CounterVec
	requests      *prometheus.CounterVec
	sockets       prometheus.Gauge
	evicted       *prometheus.CounterVec
	refused       *prometheus.CounterVec
	flooded       prometheus.Counter
	forwards      *prometheus.CounterVec
	forwardTime   prometheus.Histogram
	duration      prometheus.Histogram
	bytes         prometheus.Counter
	plain         prometheus.Counter // of compressed streams, before compression
	compressed    prometheus.Counter // of the same, after it
	delivered     prometheus.Counter
	partial       *prometheus.CounterVec
	reloads       *prometheus.CounterVec
	insertToRead  prometheus.Histogram
	insertToWrite prometheus.Histogram
	readToWrite   prometheus.Histogram
}

// New returns the metrics of a server of the given version, all at 0.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), resetCounts: make(map[stream.ResetReason]*atomic.Uint64),
		open: newGauge("connections", "Open streams."),
		opened: newCounters("connections_opened_total", "Streams opened, by mode of the first sync event.",
			"mode", stream.ModeLive, stream.ModeResumed, stream.ModeReset),
		closed: newCounters("connections_closed_total", "Streams closed, by reason.", "reason", sse.CloseReasons()...),
		resets: newCounters("resets_total", "Resets sent to clients whose cursor could not be honoured, by reason.",
			"reason", stream.ResetReasons()...),
		rejected: newCounters("connections_rejected_total", "Streams rejected by a limit, by limit.", "limit", admission.Limits()...),
		requests: newCounters("requests_rejected_total", "Requests rejected because too many were in progress, by limit.",
			"limit", admission.RequestLimits()...),
		sockets: newGauge("sockets", "Open sockets of clients, except those of streams over plain HTTP/1.1 on Linux."),
		evicted: newCounters("sockets_evicted_total", "Sockets without a request that were closed to make room for another, by limit.",
			"limit", SocketLimits()...),
		refused: newCounters("sockets_refused_total", "New sockets that were closed because all others were busy, by limit.",
			"limit", SocketLimits()...),
		flooded: newCounter("sockets_flooded_total", "Sockets that were closed because their clients sent much more than their requests account for."),
		forwards: newCounters("auth_requests_total", "Requests whose identity came from the application (--auth=forward), by outcome.",
			"outcome", auth.ForwardOutcomes()...),
		forwardTime: newHistogram("auth_request_seconds", "Time until the application had answered who a client is.", delayBuckets),
		duration: newHistogram("connection_duration_seconds", "Durations of closed streams.",
			[]float64{1, 5, 30, 60, 300, 900, 3600, 14400, 86400}),
		bytes:      newCounter("sent_bytes_total", "Bytes written to streams."),
		plain:      newCounter("compress_plain_bytes_total", "Bytes of streams with gzip (--compress), before compression."),
		compressed: newCounter("compress_sent_bytes_total", "Bytes of streams with gzip (--compress), after compression."),
		delivered:  newCounter("sent_events_total", "Events written to streams: an event for a thousand clients counts a thousand times."),
		partial: newCounters("incomplete_events_total", "Events that clients receive without their data, by reason.",
			"reason", stream.Incompletes()...),
		reloads: newCounters("collection_resets_total", "Events that ask every client to load a table again, by reason.",
			"reason", reloadReasons()...),
		insertToRead: newHistogram("insert_to_read_seconds", "Time from the trigger's clock until the server read an event from the log: "+
			"one observation per event.", delayBuckets),
		insertToWrite: newHistogram("insert_to_write_seconds", "Time from the trigger's clock until a shard had written an event to its clients "+
			"that were ready: one observation per event and shard.", delayBuckets),
		readToWrite: newHistogram("read_to_write_seconds", "Time from the read of an event until a shard had written it to its clients "+
			"that were ready: one observation per event and shard.", delayBuckets),
		types: typeCounters{
			vec:    newCounters[string]("events_total", "Events read from the log, by type.", "type"),
			byType: make(map[string]prometheus.Counter),
		},
	}
	for _, reason := range stream.ResetReasons() {
		m.resetCounts[reason] = new(atomic.Uint64)
	}
	build := newGauge("build_info", "Always 1; the label is the version of the server.", "version", version)
	build.Set(1)
	m.registry.MustRegister(m.open, m.opened, m.closed, m.resets, m.rejected, m.requests, m.sockets, m.evicted, m.refused, m.flooded, m.forwards, m.forwardTime, m.duration, m.bytes, m.plain, m.compressed, m.delivered, m.partial, m.reloads,
		m.types.vec, m.insertToRead, m.insertToWrite, m.readToWrite, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Watch exports the sources in addition to the counters. Call it at most once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&collector{sources: s}) }

// EventRead counts an event that the server read from the log.
func (m *Metrics) EventRead(e *stream.Event) {
	m.types.counter(e.Type).Inc()
	if e.Incomplete != "" {
		m.partial.WithLabelValues(string(e.Incomplete)).Inc()
	}
	m.insertToRead.Observe(secondsSince(e.At.UnixNano(), time.Now()))
}

// reloadReasons returns the reasons of a collection_reset: the spec's SQL raised an error, the triggers missed
// writes, a crash emptied a table, or the server cannot read an event.
func reloadReasons() []string {
	return []string{"expression", "triggers", "crash", string(stream.Unreadable), string(stream.AudienceTooLarge)}
}

// CollectionReset counts a collection_reset that the server read from the log.
func (m *Metrics) CollectionReset(reason string) {
	m.reloads.WithLabelValues(knownOrOther(reloadReasons(), reason)).Inc()
}

// Opened counts a stream that begins with the given sync event.
func (m *Metrics) Opened(s stream.Sync) {
	m.open.Inc()
	m.opened.WithLabelValues(string(s.Mode)).Inc()
	if s.Mode == stream.ModeReset {
		m.Reset(s.Reason)
	}
}

// Closed counts a stream that was open for the given time.
func (m *Metrics) Closed(reason sse.CloseReason, after time.Duration) {
	m.open.Dec()
	m.closed.WithLabelValues(string(reason)).Inc()
	m.duration.Observe(after.Seconds())
}

// Rejected counts a stream that a limit rejected.
func (m *Metrics) Rejected(limit admission.Limit) { m.rejected.WithLabelValues(string(limit)).Inc() }

// RequestRejected counts a request that a limit rejected.
func (m *Metrics) RequestRejected(limit admission.Limit) {
	m.requests.WithLabelValues(string(limit)).Inc()
}

// Forwarded counts a request whose identity came from the application, and observes how long that took.
func (m *Metrics) Forwarded(outcome auth.ForwardOutcome, took time.Duration) {
	m.forwards.WithLabelValues(string(outcome)).Inc()
	if outcome != auth.OutcomeCached {
		m.forwardTime.Observe(took.Seconds())
	}
}

// Reset counts a reset that a client received.
func (m *Metrics) Reset(reason stream.ResetReason) {
	m.resets.WithLabelValues(knownOrOther(stream.ResetReasons(), reason)).Inc()
	if count := m.resetCounts[reason]; count != nil {
		count.Add(1)
	}
}

// Resets returns how often clients received a reset, by reason, without the reasons that never occurred.
func (m *Metrics) Resets() map[string]uint64 {
	counts := make(map[string]uint64)
	for reason, count := range m.resetCounts {
		if n := count.Load(); n > 0 {
			counts[string(reason)] = n
		}
	}
	return counts
}

// Sent counts bytes and events that were written to clients.
func (m *Metrics) Sent(bytes int64, events uint64) {
	m.bytes.Add(float64(bytes))
	m.delivered.Add(float64(events))
}

// Written observes the latency of events that a shard has just written to its clients.
func (m *Metrics) Written(times []stream.EventTimes, now time.Time) {
	for _, t := range times {
		m.insertToWrite.Observe(secondsSince(t.Inserted, now))
		m.readToWrite.Observe(secondsSince(t.Read, now))
	}
}

// secondsSince returns the time from at, in Unix nanoseconds, to now. It returns 0 instead of a negative
// time, which results when the clocks of two machines differ.
func secondsSince(at int64, now time.Time) float64 {
	return max(0, time.Duration(now.UnixNano()-at).Seconds())
}

// typeCounters holds a counter for each event type. Its look-up is faster than that of prometheus, which
// hashes the labels. It is safe for concurrent use.
type typeCounters struct {
	vec *prometheus.CounterVec

	mu     sync.Mutex
	byType map[string]prometheus.Counter
}

func (t *typeCounters) counter(eventType string) prometheus.Counter {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byType[eventType]
	switch {
	case ok:
		return c
	case len(t.byType) >= maxTypes:
		return t.vec.WithLabelValues(other)
	}
	c = t.vec.WithLabelValues(eventType)
	t.byType[eventType] = c
	return c
}

// newGauge returns a gauge. labels holds names and values of constant labels in turns.
func newGauge(name, help string, labels ...string) prometheus.Gauge {
	constant := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: constant})
}

func newCounter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func newHistogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

// newCounters returns counters by one label. It creates the series of the known values at 0, because
// rate() misses the first increment of a series that appears later.
func newCounters[V ~string](name, help, label string, known ...V) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	for _, value := range known {
		v.WithLabelValues(string(value))
	}
	return v
}

// knownOrOther returns the value if it is known, otherwise other. So the number of label values is bounded.
func knownOrOther[V ~string](known []V, value V) string {
	if slices.Contains(known, value) {
		return string(value)
	}
	return other
}
