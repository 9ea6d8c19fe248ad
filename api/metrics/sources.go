package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// Sources are the functions that each scrape calls. None of them may block. A nil field exports nothing.
type Sources struct {
	// Ready returns nil if events arrive, like /readyz/events.
	Ready func() error
	// StaleFor returns the time since the last read of the log while clients know that it cannot be read, otherwise 0.
	StaleFor func() time.Duration
	// Stalled returns how many clients have a full socket, and how many catch up from the log.
	Stalled  func() (full, catchingUp int)
	Feed     func() stream.FeedStats
	Listener func() status.Listener
	Leader   func() status.Leader
	Pruner   func() status.Pruner
	// Log returns the figures of the monitor's last query, and false if that query failed.
	Log       func() (status.Log, bool)
	Triggers  func() status.Triggers
	Consumers func() status.Consumers
	// LogResets returns how often the server has reset the log since its start.
	LogResets func() uint64
	// Pools holds the connection pools by name.
	Pools map[string]func() Pool
}

// Pool is the state of a connection pool.
type Pool struct {
	Total, Idle, Acquired, Max int32
	Waits                      int64         // acquisitions that had to wait for a connection
	Waited                     time.Duration // the sum of their waits
	Refused                    uint64        // acquisitions that ended because no connection became free
}

// collector exports the sources.
type collector struct{ sources Sources }

// Describe sends nothing, so that the registry does not check the metrics: they depend on the sources.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the sources.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := exporter{out: out}
	s := c.sources
	if s.Ready != nil {
		e.gauge("ready", "1 if events arrive and the server does not drain, like /readyz/events.", oneIf(s.Ready() == nil))
	}
	if s.StaleFor != nil {
		e.gauge("stale_seconds", "Time since the last successful read of the log, while clients know that it cannot be read; otherwise 0.", s.StaleFor().Seconds())
	}
	if s.Stalled != nil {
		full, catchingUp := s.Stalled()
		e.gauge("connections_stalled", "Streams with pending events whose socket is full.", float64(full))
		e.gauge("connections_catching_up", "Streams that read from the log because the feed no longer covers their position.", float64(catchingUp))
	}
	if s.Feed != nil {
		e.feed(s.Feed())
	}
	if s.Listener != nil {
		e.listener(s.Listener())
	}
	if s.Leader != nil {
		e.leader(s.Leader())
	}
	if s.Pruner != nil {
		e.pruner(s.Pruner())
	}
	if s.Log != nil {
		e.log(s.Log())
	}
	if s.Triggers != nil {
		e.triggers(s.Triggers())
	}
	if s.Consumers != nil {
		e.consumers(s.Consumers())
	}
	if s.LogResets != nil {
		e.counter("log_resets_total", "Times that this server emptied the log because it held events of another cluster.", float64(s.LogResets()))
	}
	for name, pool := range s.Pools {
		e.pool(name, pool())
	}
}

// exporter sends the figures of one scrape.
type exporter struct{ out chan<- prometheus.Metric }

// send sends one metric. labels holds names and values in turns.
func (e exporter) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc := prometheus.NewDesc(namespace+"_"+name, help, names, nil)
	e.out <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

func (e exporter) gauge(name, help string, value float64, labels ...string) {
	e.send(prometheus.GaugeValue, name, help, value, labels)
}

func (e exporter) counter(name, help string, value float64, labels ...string) {
	e.send(prometheus.CounterValue, name, help, value, labels)
}

func (e exporter) feed(s stream.FeedStats) {
	e.gauge("feed_bytes", "Memory of the feed, approximately.", float64(s.Bytes))
	e.gauge("feed_limit_bytes", "Limit of the feed's memory.", float64(s.Limit))
	e.gauge("feed_transactions", "Transactions in the feed.", float64(s.Transactions))
	e.counter("feed_resets_total", "Times that the log could not continue the feed and every client was reset.", float64(s.Resets))
	e.counter("unannounced_events_total", "Events that the periodic read found without a wake-up: should stay 0.", float64(s.Unannounced))
	e.counter("withheld_events_total", "Events without recipients, because their audience is empty or could not be computed.", float64(s.Withheld))
	e.gauge("catch_up_bytes", "Memory of what catch-ups have read from the log, and of large events that slow clients keep, approximately.", float64(s.CatchUpBytes))
	e.gauge("catch_up_limit_bytes", "Limit of the memory of catch-ups.", float64(s.CatchUpLimit))
	e.gauge("catch_ups_waiting", "Catch-ups that wait for a page of the log, or for memory.", float64(s.CatchUpsWaiting))
	e.counter("catch_ups_interrupted_total", "Clients closed as slow because others waited for the memory that they kept.", float64(s.CatchUpsInterrupted))
	e.gauge("filter_bytes", "Memory of the larger filters of streams.", float64(s.FilterBytes))
	e.counter("catch_ups_total", "Catch-ups: clients that had to read from the log.", float64(s.CatchUps))
}

func (e exporter) listener(l status.Listener) {
	e.gauge("listener_up", "1 if the listener's probes arrive, and so do notifications.", oneIf(l.Live))
	e.gauge("listener_round_trip_seconds", "Round trip of the listener's last probe.", l.RoundTrip.Seconds())
	e.counter("listener_disconnects_total", "Times that the listener lost its connection.", float64(l.Disconnects))
}

func (e exporter) leader(l status.Leader) {
	for _, state := range status.LeaderStates() {
		e.gauge("leader_state", "1 for the state of this server's notify leader, otherwise 0.", oneIf(l.State == state), "state", string(state))
	}
	e.counter("leader_failures_total", "Sessions that this server's notify leader could not open, or lost.", float64(l.Failures))
	e.counter("leader_terms_total", "Terms in which this server was the notify leader.", float64(l.Terms))
	held := 0.0
	if l.LockHolder != nil {
		held = time.Since(l.LockHolder.Since).Seconds()
	}
	e.gauge("leader_lock_foreign_seconds", "Time for which another program has held the leader's lock; 0 if none does. Should stay 0.", held)
}

func (e exporter) pruner(p status.Pruner) {
	e.gauge("log_retain_age_seconds", "Age at which events leave the log (--retain-age).", p.MaxAge.Seconds())
	e.counter("pruned_events_total", "Events that this server pruned from the log.", float64(p.Pruned))
	e.counter("prune_failures_total", "Prunes of this server that failed.", float64(p.Failures))
	e.counter("prunes_skipped_total", "Prunes that this server skipped because another one was pruning.", float64(p.Skipped))
	if !p.Last.IsZero() {
		e.gauge("prune_last_timestamp_seconds", "Time of this server's last prune that was done, in Unix seconds.", float64(p.Last.UnixMilli())/1e3)
	}
}

// log sends the figures only if they are known: a gap in a graph is better than a wrong 0.
func (e exporter) log(l status.Log, known bool) {
	e.gauge("database_up", "1 if the database answered the last query for the figures of the log.", oneIf(known))
	if !known {
		return
	}
	e.gauge("notification_queue_usage_ratio", "Usage of the cluster's notification queue: at 1 every NOTIFY fails.", l.QueueUsage)
	e.gauge("log_oldest_event_age_seconds", "Age of the oldest event in the log; 0 if the log is empty.", l.OldestAge.Seconds())
	e.gauge("log_bytes", "Size of the log on disk, with its indexes.", float64(l.Bytes))
}

func (e exporter) triggers(t status.Triggers) {
	for kind, n := range t.Kinds {
		e.gauge("trigger_drift", "Differences between the triggers and the spec, by kind: should stay 0.", float64(n), "kind", kind)
	}
	e.counter("trigger_check_failures_total", "Checks of the triggers that failed.", float64(t.Failures))
	if !t.Checked.IsZero() {
		e.gauge("trigger_check_last_timestamp_seconds", "Time of this server's last check of the triggers that succeeded, in Unix seconds.",
			float64(t.Checked.UnixMilli())/1e3)
	}
}

// consumers sends nothing of a consumer that is not known. Two may have the same name once it is made fit for a label.
func (e exporter) consumers(all status.Consumers) {
	e.gauge("consumers_up", "1 if the last look at pgherald.consumers succeeded.", oneIf(all.Error == ""))
	sent := map[string]bool{}
	for _, c := range all.List {
		if sent[c.Name] {
			continue
		}
		sent[c.Name] = true
		gauge := func(name, help string, value float64) { e.gauge("consumer_"+name, help, value, "consumer", c.Name) }
		gauge("lag_seconds", "Age of the oldest event that a consumer has not seen; 0 if there is none. At most 100 consumers, by name.", float64(c.LagMS)/1e3)
		gauge("behind_events", "Events that a consumer has not seen, counted up to 1000.", float64(c.Behind))
		gauge("parked_events", "Events that a receiver of pgherald forward has refused, counted up to 10000.", float64(c.Parked))
		gauge("lost", "1 if the log no longer reaches back to a consumer's position.", oneIf(c.Lost))
		if c.State != status.ConsumerJob {
			gauge("running", "1 while a process of pgherald forward moves a consumer.", oneIf(c.State == status.ConsumerRunning))
		}
	}
}

func (e exporter) pool(name string, p Pool) {
	const help = "Connections of a pool, by state."
	e.gauge("pool_connections", help, float64(p.Acquired), "pool", name, "state", "used")
	e.gauge("pool_connections", help, float64(p.Idle), "pool", name, "state", "idle")
	e.gauge("pool_connections", help, float64(p.Total-p.Acquired-p.Idle), "pool", name, "state", "opening")
	e.gauge("pool_limit", "Maximum number of connections of a pool.", float64(p.Max), "pool", name)
	e.counter("pool_waits_total", "Acquisitions that had to wait for a connection.", float64(p.Waits), "pool", name)
	e.counter("pool_refused_total", "Acquisitions that ended because no connection became free.", float64(p.Refused), "pool", name)
	e.counter("pool_wait_seconds_total", "Time that acquisitions waited for a connection.", p.Waited.Seconds(), "pool", name)
}

func oneIf(condition bool) float64 {
	if condition {
		return 1
	}
	return 0
}
