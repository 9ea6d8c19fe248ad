// Package status holds the structs in which the background parts of a server report their state: the
// listener, the notify leader, the pruner, the log and the triggers. Packages db and cmd fill them; /api/stats
// and /metrics serve them. Package status imports nothing of this module, so db and api need not import each
// other.
package status

import "time"

// Listener is the state of the connection that LISTENs.
type Listener struct {
	Live        bool          // whether its probes arrive
	RoundTrip   time.Duration // of the last probe
	Reason      string        // why it is not live; empty if it is
	Disconnects uint64        // how often it was live and lost its connection
}

// LeaderState is the state of a server's notify leader.
type LeaderState string

// The states of a notify leader, in the order in which it takes them.
const (
	Idle     LeaderState = "idle"     // writers send their own wake-ups, or another server leads
	Leading  LeaderState = "leading"  // it holds the lock and sends wake-ups for the writers
	Draining LeaderState = "draining" // it released the lock and polls for writers that saw the lock held
)

// LeaderStates returns all states.
func LeaderStates() []LeaderState { return []LeaderState{Idle, Leading, Draining} }

// Leader is the state of a server's notify leader.
type Leader struct {
	State LeaderState `json:"state"`
	Terms uint64      `json:"terms"` // how often it began to lead
	// Failures counts the sessions that could not be opened or were lost.
	Failures uint64 `json:"failures,omitempty"`
	// LockHolder is the session of another program that holds the leader's lock; nil if none has for long.
	LockHolder *LockHolder `json:"lockHolder,omitempty"`
}

// LockHolder is a session that holds the leader's lock and is no server's.
type LockHolder struct {
	PID         int64     `json:"pid"` // of the backend; 0 for a prepared transaction
	Role        string    `json:"role"`
	Application string    `json:"application,omitempty"` // empty if the server's role may not see it
	Mode        string    `json:"mode"`                  // ExclusiveLock: writers send no wake-ups; ShareLock: no server leads
	Since       time.Time `json:"since"`                 // when this server first saw it
}

// Pruner counts what a server has deleted from the log.
type Pruner struct {
	Pruned   uint64    `json:"pruned"`        // events
	Failures uint64    `json:"failures"`      // runs that ended with an error
	Skipped  uint64    `json:"skipped"`       // runs that ended because another server was pruning
	Last     time.Time `json:"last,omitzero"` // when a run last found nothing more to delete; zero if none has

	MaxAge time.Duration `json:"-"` // of events in the log
}

// Log holds figures of the log that only the database knows.
type Log struct {
	// QueueUsage is how full the cluster's notification queue is, from 0 to 1. At 1 every COMMIT
	// with a NOTIFY fails.
	QueueUsage float64
	OldestAge  time.Duration // of the oldest event in the log; 0 if the log is empty
	Bytes      int64         // of the log on disk, with its indexes
}

// Triggers describes the findings of the last check of the triggers.
type Triggers struct {
	// Checked is the time of the last check that succeeded; zero if none has.
	Checked  time.Time `json:"checkedAt,omitzero"`
	Failures uint64    `json:"failures"` // checks that ended with an error
	// Drift lists the differences from the spec, empty if there are none.
	Drift []TriggerDrift `json:"drift"`
	// Kinds counts Drift by kind. It holds every kind that exists.
	Kinds map[string]int `json:"-"`
}

// TriggerDrift is one difference between the triggers and their spec.
type TriggerDrift struct {
	Table   string    `json:"table,omitempty"` // empty if no table of the spec is concerned
	Kind    string    `json:"kind"`
	Problem string    `json:"problem"`
	Remedy  string    `json:"remedy"`
	Warning bool      `json:"warning,omitempty"` // the triggers work as the spec says all the same
	Since   time.Time `json:"since"`             // when this server first saw it
}
