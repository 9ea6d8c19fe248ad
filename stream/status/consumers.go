package status

import "time"

// Consumers holds what a server last saw of pgherald.consumers.
type Consumers struct {
	Checked time.Time  `json:"checkedAt"`
	List    []Consumer `json:"list"`           // by name, at most MaxConsumers
	More    bool       `json:"more,omitempty"` // there are others
	// Error says why they could not be read; empty if they were.
	Error string `json:"error,omitempty"`
}

// The bounds of what is looked at.
const (
	MaxConsumers = 100
	MaxBehind    = 1000
	MaxParked    = 10_000
)

// ConsumerState says what moves a consumer.
type ConsumerState string

// The states of a consumer.
const (
	ConsumerRunning ConsumerState = "running" // a process of pgherald forward
	ConsumerStopped ConsumerState = "stopped" // pgherald forward does, but no process runs
	ConsumerJob     ConsumerState = "job"     // callers of pgherald.consume
)

// Consumer is a consumer as operators see it.
type Consumer struct {
	Name   string        `json:"name"`
	State  ConsumerState `json:"state"`
	Target string        `json:"target,omitempty"` // where pgherald forward sends its events, without secrets
	Moved  time.Time     `json:"movedAt,omitzero"` // when its position was last stored; zero if never
	LagMS  int64         `json:"lagMs"`            // age of the oldest event that it has not seen; 0 if there is none
	Behind int           `json:"behind"`           // events that it has not seen, counted up to MaxBehind
	Parked int           `json:"parked"`           // counted up to MaxParked
	// Lost says that the log no longer reaches back to its position: it has to load everything again.
	Lost bool `json:"lost,omitempty"`
	// FailingSince is since when its receiver has acknowledged nothing; zero if it does.
	FailingSince time.Time `json:"failingSince,omitzero"`
	Failure      string    `json:"failure,omitempty"` // the last one, while it fails
}
