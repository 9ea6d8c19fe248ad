package metrics

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is what each of our metrics begins with.
const namespace = "pgherald"

func gauge(name, help string, labels ...string) prometheus.Gauge {
	constant := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: constant})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

// counters are there from the start for the values that are known: a rate of something that appears
// out of nowhere misses its first time.
func counters[V ~string](name, help, label string, values ...V) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	for _, value := range values {
		v.WithLabelValues(string(value))
	}
	return v
}

func oneOf(known []string, value string) string {
	if slices.Contains(known, value) {
		return value
	}
	return other
}

// types remembers the counters of the types of events, so that one is found without hashing labels.
type types struct {
	mu    sync.Mutex
	known map[string]prometheus.Counter
}

func (t *types) counter(all *prometheus.CounterVec, kind string) prometheus.Counter {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.known[kind]
	switch {
	case ok:
		return c
	case len(t.known) >= maxTypes:
		return all.WithLabelValues(other)
	}
	c = all.WithLabelValues(kind)
	t.known[kind] = c
	return c
}
