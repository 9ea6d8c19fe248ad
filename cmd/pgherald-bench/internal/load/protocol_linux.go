package load

import "github.com/pgherald/pgherald/cmd/pgherald-bench/internal/stats"

// config configures one client process.
type config struct {
	Addr        string `json:"addr"`
	Source      string `json:"source"` // first address to connect from: each address has its own ports
	Connections int    `json:"connections"`
	Connecting  int    `json:"connecting"` // limit on simultaneous connects
	Request     []byte `json:"request"`    // sent on each connection
	Streams     int    `json:"streams"`    // of HTTP/2 in Request; 0: it is HTTP/1.1
	WebSocket   string `json:"webSocket"`  // host and path of a WebSocket, which takes the place of Request; empty: none
	AwaitFrame  bool   `json:"awaitFrame"` // a stream is ready with its first frame, not with the head of the response
	KeyN        string `json:"keyN"`       // text before the number of an event
	KeySent     string `json:"keySent"`    // text before the time of its write; empty if frames have none
}

// The orders that a client process takes.
const (
	orderOpen   = "open"   // connect; answered with a Status
	orderMark   = "mark"   // count from event First on; answered with a Status
	orderStatus = "status" // answered with a Status
	orderReport = "report" // answered with a Report on the events from First to Last
)

// order is a line from the parent to a client process.
type order struct {
	Do    string `json:"do"`
	First int64  `json:"first,omitempty"`
	Last  int64  `json:"last,omitempty"`
}

// Status counts connections and events. Times are Unix µs.
type Status struct {
	Ready     int    `json:"ready"`  // connections whose stream has begun
	Failed    int    `json:"failed"` // connections that could not be opened
	Closed    int    `json:"closed"` // connections that the server ended
	Error     string `json:"error,omitempty"`
	Received  int64  `json:"received"`  // events since Mark
	Bytes     int64  `json:"bytes"`     // since Mark
	OpenedAt  int64  `json:"openedAt"`  // when connecting began
	ReadyAt   int64  `json:"readyAt"`   // when the last stream had begun
	ArrivedAt int64  `json:"arrivedAt"` // when the last event arrived
}

func (s *Status) add(o Status) {
	s.Ready += o.Ready
	s.Failed += o.Failed
	s.Closed += o.Closed
	s.Received += o.Received
	s.Bytes += o.Bytes
	if s.OpenedAt == 0 || o.OpenedAt < s.OpenedAt {
		s.OpenedAt = o.OpenedAt
	}
	s.ReadyAt = max(s.ReadyAt, o.ReadyAt)
	s.ArrivedAt = max(s.ArrivedAt, o.ArrivedAt)
	if o.Error != "" {
		s.Error = o.Error
	}
}

// Report describes the delivery of a range of events.
type Report struct {
	Status
	Complete int             `json:"complete"` // clients that received each event once
	Latency  stats.Histogram `json:"latency"`  // µs from the write to the read
	Sent     []int64         `json:"sent"`     // by event: when it was written
	First    []int64         `json:"first"`    // by event: when the first client had it
	Last     []int64         `json:"last"`     // by event: when the last client had it
}

func (r *Report) add(o Report) {
	r.Status.add(o.Status)
	r.Complete += o.Complete
	r.Latency.Merge(o.Latency)
	r.Sent = mergeTimes(r.Sent, o.Sent, false)
	r.First, r.Last = mergeTimes(r.First, o.First, false), mergeTimes(r.Last, o.Last, true)
}

// mergeTimes returns the earlier or the later time of each event; 0 means no time.
func mergeTimes(a, b []int64, later bool) []int64 {
	if len(a) < len(b) {
		a, b = b, a
	}
	for i, t := range b {
		if t != 0 && (a[i] == 0 || later == (t > a[i])) {
			a[i] = t
		}
	}
	return a
}
