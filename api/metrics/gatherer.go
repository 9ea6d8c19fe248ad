package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgherald/pgherald/stream"
)

// gatherer sends figures of one scrape.
type gatherer struct{ out chan<- prometheus.Metric }

// send takes names and values of labels in turns.
func (g gatherer) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc := prometheus.NewDesc(namespace+"_"+name, help, names, nil)
	g.out <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

func (g gatherer) gauge(name, help string, value float64, labels ...string) {
	g.send(prometheus.GaugeValue, name, help, value, labels)
}

func (g gatherer) counter(name, help string, value float64, labels ...string) {
	g.send(prometheus.CounterValue, name, help, value, labels)
}

func (g gatherer) feed(s stream.FeedStats) {
	g.gauge("feed_bytes", "About the memory that recent events take.", float64(s.Bytes))
	g.gauge("feed_limit_bytes", "How much memory recent events may take.", float64(s.Limit))
	g.gauge("feed_transactions", "Transactions held in memory.", float64(s.Transactions))
	g.counter("feed_replacements_total", "Times that the log could not continue the feed, and every client had to begin anew.", float64(s.Resets))
	g.counter("unannounced_events_total", "Events that the read of each second found and no notification had announced: should stay 0.", float64(s.Unannounced))
	g.counter("withheld_events_total", "Events that went to nobody, because their audience is nobody or could not be computed.", float64(s.Withheld))
	g.counter("catchups_total", "Times that a client had to read from the log.", float64(s.CatchUps))
}

func (g gatherer) listener(l Listener) {
	g.gauge("listener_up", "1 if notifications arrive, as proved by those that the listener sends to itself.", truth(l.Live))
	g.gauge("listener_round_trip_seconds", "How long the last of those took.", l.RoundTrip.Seconds())
	g.counter("listener_falls_total", "Times that the listener went down.", float64(l.Falls))
}

func (g gatherer) waker(w Waker) {
	for _, state := range WakerStates {
		g.gauge("waker_state", "1 for the state that this server's waker is in.", truth(w.State == state), "state", state)
	}
	g.counter("waker_reigns_total", "Times that this server began to ring for the writers.", float64(w.Reigns))
}

func (g gatherer) pruner(p Pruner) {
	g.counter("pruned_events_total", "Old events that this server has deleted.", float64(p.Pruned))
	g.counter("prune_failures_total", "Attempts to delete old events that did not work.", float64(p.Failures))
	if !p.Last.IsZero() {
		g.gauge("prune_last_timestamp_seconds", "When this server last looked for old events without an error.", float64(p.Last.UnixMilli())/1e3)
	}
}

// database leaves out what is not known: a gap in a graph is the truth, a 0 would not be.
func (g gatherer) database(d Database, known bool) {
	g.gauge("database_answers", "1 if the figures that only the database knows could be read.", truth(known))
	if !known {
		return
	}
	g.gauge("notification_queue_usage_ratio", "How full the cluster's notification queue is: at 1 every NOTIFY fails.", d.QueueUsage)
	g.gauge("log_oldest_event_age_seconds", "Age of the oldest event in the log; 0 if it is empty.", d.OldestAge.Seconds())
	g.gauge("log_bytes", "Size of the log on disk, with its indexes.", float64(d.LogBytes))
}

func (g gatherer) pool(name string, p Pool) {
	const help = "Connections of a pool to the database, by state."
	g.gauge("pool_connections", help, float64(p.Acquired), "pool", name, "state", "used")
	g.gauge("pool_connections", help, float64(p.Idle), "pool", name, "state", "idle")
	g.gauge("pool_connections", help, float64(p.Total-p.Acquired-p.Idle), "pool", name, "state", "opening")
	g.gauge("pool_limit", "How many connections a pool may have.", float64(p.Max), "pool", name)
	g.counter("pool_waits_total", "Times that a connection had to be waited for.", float64(p.Waits), "pool", name)
	g.counter("pool_wait_seconds_total", "How long it was waited for them.", p.Waited.Seconds(), "pool", name)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
