package relay

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgherald/pgherald/stream/relay"
)

// Metrics exports the figures of a relay, and says whether it is ready. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	progress relay.Progress

	mu       sync.Mutex
	isActive bool
	since    time.Time // when it became active
	failure  error     // why it is neither active nor stands by
}

// errUntried says that the relay has not tried yet.
var errUntried = errors.New("the relay has not begun")

// NewMetrics returns the metrics of a relay.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), failure: errUntried}
	counter := func(name, help string, of func(relay.Counts) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "pgherald_relay_" + name + "_total", Help: help}, func() float64 {
			return float64(of(m.progress.Counts()))
		})
	}
	gauge := func(name, help string, of func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "pgherald_relay_" + name, Help: help}, of)
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		counter("events", "Events that were appended to the stream.", func(c relay.Counts) uint64 { return c.Events }),
		counter("entries", "Entries that were appended to the stream.", func(c relay.Counts) uint64 { return c.Entries }),
		counter("repairs", "How often the store had lost the end of the stream.", func(c relay.Counts) uint64 { return c.Repairs }),
		counter("begun", "How often the stream was begun anew.", func(c relay.Counts) uint64 { return c.Begun }),
		gauge("active", "1 if this process copies, 0 while it stands by.", m.active),
		gauge("lag_seconds", "How long ago the log was last read to its end; 0 while another process copies.", m.lag),
	)
	return m
}

func (m *Metrics) active() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isActive {
		return 1
	}
	return 0
}

func (m *Metrics) lag() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isActive {
		return 0
	}
	last := m.since
	if at := m.progress.Counts().EndAt; at.After(last) {
		last = at
	}
	return max(0, time.Since(last).Seconds())
}

// start says that the process copies, and returns where it counts.
func (m *Metrics) start() *relay.Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isActive, m.since = true, time.Now()
	if errors.Is(m.failure, errUntried) {
		m.failure = nil
	}
	return &m.progress
}

// hasCopied reports whether the log was read to its end since start. If so, the relay is ready again.
func (m *Metrics) hasCopied() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	hasCopied := m.progress.Counts().EndAt.After(m.since)
	if hasCopied {
		m.failure = nil
	}
	return hasCopied
}

func (m *Metrics) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isActive = false
}

func (m *Metrics) standBy() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = nil
}

func (m *Metrics) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Handler serves /metrics and /readyz.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		failure := m.failure
		m.mu.Unlock()
		if failure != nil {
			http.Error(w, "the relay cannot copy: its log output says why", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n")) // the client may have gone
	})
	return mux
}
