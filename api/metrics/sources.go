package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgherald/pgherald/stream"
)

// Sources are what a server knows of itself. A field that is nil is left out. None of them may wait.
type Sources struct {
	// Ready returns nil if the server is ready, as /readyz says it.
	Ready func() error
	// Stalled is how many clients' sockets are full, and how many clients read the log.
	Stalled  func() (full, behind int)
	Feed     func() stream.FeedStats
	Listener func() Listener
	Waker    func() Waker
	Pruner   func() Pruner
	// Database is what was last read there, false if it could not be read.
	Database func() (Database, bool)
	// Pools are the connections to the database, by what they are for.
	Pools map[string]func() Pool
}

// Listener is how the connection is that LISTENs.
type Listener struct {
	Live      bool
	RoundTrip time.Duration // of its last notification to itself
	Falls     uint64        // how often it went down
}

// Waker says whether this server rings for the writers.
type Waker struct {
	State  string // one of WakerStates
	Reigns uint64
}

// WakerStates are the states that a waker can be in.
var WakerStates = []string{"idle", "leading", "draining"}

// Pruner is how far old events were deleted.
type Pruner struct {
	Pruned   uint64    // events that this server has deleted
	Failures uint64    // attempts that did not work
	Last     time.Time // when this server last looked; zero if never
}

// Database is what only the database knows.
type Database struct {
	QueueUsage float64       // of the cluster's notification queue, from 0 to 1
	OldestAge  time.Duration // of the log's oldest event
	LogBytes   int64         // of the log with its indexes, on disk
}

// Pool is a pool of connections.
type Pool struct {
	Total, Idle, Acquired, Max int32
	Waits                      int64         // acquisitions that had to wait
	Waited                     time.Duration // all of them together
}

// collector asks the sources at each scrape.
type collector struct{ sources Sources }

// Describe sends nothing: which of the sources are there is known when they are asked.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks the sources.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	g := gatherer{out: out}
	s := c.sources
	if s.Ready != nil {
		g.gauge("ready", "1 if events are arriving, as /readyz says it.", truth(s.Ready() == nil))
	}
	if s.Stalled != nil {
		full, behind := s.Stalled()
		g.gauge("connections_stalled", "Streams whose client does not take what is due at the moment.", float64(full))
		g.gauge("connections_catching_up", "Streams that read from the log because memory does not reach back to them.", float64(behind))
	}
	if s.Feed != nil {
		g.feed(s.Feed())
	}
	if s.Listener != nil {
		g.listener(s.Listener())
	}
	if s.Waker != nil {
		g.waker(s.Waker())
	}
	if s.Pruner != nil {
		g.pruner(s.Pruner())
	}
	if s.Database != nil {
		g.database(s.Database())
	}
	for name, pool := range s.Pools {
		g.pool(name, pool())
	}
}
