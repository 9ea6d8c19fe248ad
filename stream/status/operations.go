package status

import "time"

// Operations describes the servers of a database, its log and its triggers, for operators.
type Operations struct {
	At        time.Time         `json:"at"`
	Self      string            `json:"self"`     // id of the server that answers
	Replicas  []Replica         `json:"replicas"` // that server first
	Leader    LeadingReplica    `json:"leader"`
	Resets    map[string]uint64 `json:"resets"` // of all servers, by reason
	Log       LogFigures        `json:"log"`
	Consumers Consumers         `json:"consumers"`
	Triggers  *Triggers         `json:"triggers,omitempty"`
	Doctor    *Examination      `json:"doctor,omitempty"`
	// Error says why the other servers are not listed; empty if they are.
	Error string `json:"error,omitempty"`
}

// ReplicaState says whether a server runs.
type ReplicaState string

// The states of a server.
const (
	ReplicaRunning ReplicaState = "running"
	ReplicaSilent  ReplicaState = "silent"  // it was killed, or cannot reach the database
	ReplicaStopped ReplicaState = "stopped" // it has said so
)

// Replica is a server of the database.
type Replica struct {
	ID       string       `json:"id"`
	State    ReplicaState `json:"state"`
	LastSeen time.Time    `json:"lastSeen"` // its last heartbeat, by the database's clock
	SilentMS int64        `json:"silentMs"` // the time since then
	Users    int          `json:"users"`    // who are online there
	*Report               // nil for a server of an earlier version
}

// Report holds what a server says about itself.
type Report struct {
	Name       string            `json:"name"` // of its host
	Version    string            `json:"version"`
	StartedAt  time.Time         `json:"startedAt"`
	Ready      bool              `json:"ready"`               // whether events arrive
	StaleSince time.Time         `json:"staleSince,omitzero"` // the last read of the log, while clients know that it cannot be read
	Streams    int               `json:"streams"`             // open ones
	Events     uint64            `json:"events"`              // read since the start
	LagMS      int64             `json:"lagMs"`               // between the write and the read of the newest event
	Leader     LeaderState       `json:"leader,omitempty"`    // of its notify leader
	Terms      uint64            `json:"terms"`               // how often it began to lead
	Resets     map[string]uint64 `json:"resets,omitempty"`    // sent to clients, by reason, without those that never were
	Role       string            `json:"role,omitempty"`      // RoleRelay; empty for a server
	Edges      int               `json:"edges,omitempty"`     // of a relay: its Streams, Events and Resets are their sums
}

// RoleRelay is the role of the process that copies the log for edges.
const RoleRelay = "relay"

// LeadingReplica says which server sends wake-ups for the writers.
type LeadingReplica struct {
	State   LeaderState `json:"state"`
	Replica string      `json:"replica,omitempty"` // its id; empty if the writers send their own
}

// LogFigures holds what an operator wants to know about the log. If Error is set, nothing else is known but the limits.
type LogFigures struct {
	Events      int64     `json:"events,omitempty"` // an estimate
	Bytes       int64     `json:"bytes,omitempty"`  // on disk, with indexes
	Oldest      time.Time `json:"oldest,omitzero"`  // event; zero if there is none
	Newest      time.Time `json:"newest,omitzero"`
	Horizon     uint64    `json:"horizon,string"` // the transaction below which events may be pruned
	QueueUsage  float64   `json:"queueUsage"`     // of the notification queue, from 0 to 1
	RetainAge   int64     `json:"retainAge"`      // in seconds
	RetainBytes int64     `json:"retainBytes"`    // 0 means that only age counts
	Error       string    `json:"error,omitempty"`
}

// Examination holds the findings of pgherald doctor.
type Examination struct {
	Checked  time.Time `json:"checkedAt"`
	Findings []Finding `json:"findings"`
	Error    string    `json:"error,omitempty"`
}

// Finding is the result of one check.
type Finding struct {
	Level string `json:"level"` // ok, warning or error
	Check string `json:"check"`
	Found string `json:"found"`
	// Meaning and Remedy are empty if all is fine.
	Meaning string `json:"meaning,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}
