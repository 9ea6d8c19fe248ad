package bench

// loadConfig says what connections a load process opens.
type loadConfig struct {
	Addr        string `json:"addr"`
	Source      string `json:"source"` // the first address to connect from: each has its own ports
	Connections int    `json:"connections"`
	Pending     int    `json:"pending"` // how many connect at once
	Request     []byte `json:"request"` // sent on each connection as it is
	Streams     int    `json:"streams"` // the request is a connection's beginning in HTTP/2, with so many; 0: it is HTTP/1.1
	AwaitFrame  bool   `json:"awaitFrame"`
	KeyN        string `json:"keyN"`    // what stands before an event's number
	KeySent     string `json:"keySent"` // ... and before the time when it was sent; none if empty
}

// loadOrder is what the parent tells a load process.
type loadOrder struct {
	Do    string `json:"do"` // open, mark, status, report
	First int64  `json:"first,omitempty"`
	Last  int64  `json:"last,omitempty"`
}

// loadStatus answers open, mark and status.
type loadStatus struct {
	Ready     int    `json:"ready"`  // connections on which the stream has begun
	Failed    int    `json:"failed"` // could not be opened
	Closed    int    `json:"closed"` // ended by the server
	Error     string `json:"error,omitempty"`
	Received  int64  `json:"received"`  // events since mark
	Bytes     int64  `json:"bytes"`     // since mark
	OpenedAt  int64  `json:"openedAt"`  // Unix µs: when open was told
	ReadyAt   int64  `json:"readyAt"`   // when the last stream had begun
	ArrivedAt int64  `json:"arrivedAt"` // when the last event came
}

// loadReport answers report: what came of the events from First to Last.
type loadReport struct {
	loadStatus
	Complete int       `json:"complete"` // connections that got each event once
	Latency  histogram `json:"latency"`  // µs from sent to read
	First    []int64   `json:"first"`    // by event: when the first connection had it, Unix µs
	Last     []int64   `json:"last"`     // ... and the last one
}
