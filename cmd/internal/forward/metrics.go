package forward

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics exports the figures of one consumer to Prometheus. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	events   *prometheus.CounterVec
	duration prometheus.Histogram
	resets   prometheus.Counter
	session  atomic.Pointer[session] // nil while another process is the runner
}

// NewMetrics returns metrics for the consumer of that name.
func NewMetrics(name string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	labels := prometheus.Labels{"consumer": name}
	counter := func(metric, help string, by string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pgherald_forward_" + metric, Help: help, ConstLabels: labels}, []string{by})
	}
	m.requests = counter("requests_total", "Requests to the receiver, by result: acknowledged, refused.", "result")
	m.events = counter("events_total", "Events, by what became of them: acknowledged, parked.", "result")
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "pgherald_forward_request_seconds", Help: "Time of a request.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(.001, 2, 15),
	})
	m.resets = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pgherald_forward_resets_total", Help: "How often the log did not reach back to the position, and the consumer went on.", ConstLabels: labels,
	})
	gauge := func(metric, help string, of func(*session) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "pgherald_forward_" + metric, Help: help, ConstLabels: labels}, func() float64 {
			if s := m.session.Load(); s != nil {
				return of(s)
			}
			return 0
		})
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.events, m.duration, m.resets,
		gauge("active", "1 if this process is the runner of the consumer, 0 while it stands by.", func(*session) float64 { return 1 }),
		gauge("pending", "Events that were read and are not acknowledged.", func(s *session) float64 {
			events, _ := s.window.load()
			return float64(events)
		}),
		gauge("lag_seconds", "Age of the oldest event that is not acknowledged, or how long the log could not be read, if that is more; 0 without either.", func(s *session) float64 {
			_, oldest := s.window.load()
			_, unread := s.reading.Failures()
			return max(age(oldest), age(unread))
		}),
		gauge("failing_seconds", "How long the receiver has acknowledged nothing; 0 if the last request was acknowledged, or nothing is pending.", func(s *session) float64 {
			since, _ := s.failing()
			return age(since)
		}),
	)
	return m
}

func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// sent counts a request.
func (m *Metrics) sent(events int, took time.Duration, isAcknowledged bool) {
	result := "refused"
	if isAcknowledged {
		result = "acknowledged"
		m.events.WithLabelValues(result).Add(float64(events))
	}
	m.requests.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
}
