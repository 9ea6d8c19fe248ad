package sse

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// Options are what all streams have in common. Goroutines and Schedule are optional.
type Options struct {
	Feed *stream.Feed
	// Heartbeat is the time between heartbeats.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take nothing before it is disconnected as slow.
	WriteTimeout time.Duration
	// Now is the clock of control frames.
	Now func() time.Time
	// Retry is the reconnection delay that a client is told, in milliseconds.
	Retry func() int
	Meter Meter
	// Schedule is where the shards publish when they next write; nil publishes it nowhere.
	Schedule *pacing.Schedule
	Logger   *slog.Logger
	// Goroutines serves every stream the simple way.
	Goroutines bool
}

// Stream is one client's stream, from the moment its request was understood.
type Stream struct {
	Sub  *stream.Subscription
	Sync stream.Sync // the first event
	// Lease is until when the client may hear the stream; nil is for ever.
	Lease *Lease
	// Ended is called once, when the stream has ended.
	Ended func(End)
}

// Lease is until when a client may hear its stream. It can be renewed while the stream goes on.
type Lease struct{ until atomic.Int64 }

// NewLease returns a lease until the given time.
func NewLease(until time.Time) *Lease {
	l := new(Lease)
	l.Renew(until)
	return l
}

// Renew sets when the lease ends.
func (l *Lease) Renew(until time.Time) { l.until.Store(until.UnixNano()) }

// Until is when the lease ends.
func (l *Lease) Until() time.Time { return time.Unix(0, l.until.Load()) }

func (l *Lease) expired(now time.Time) bool { return l != nil && now.UnixNano() >= l.until.Load() }
