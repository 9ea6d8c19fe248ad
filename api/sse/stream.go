package sse

import (
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Stream is a stream whose request was understood, and which is about to be served.
type Stream struct {
	Sub  *stream.Subscription
	Sync stream.Sync // the first event
	// Lease limits how long the stream may last; nil does not limit it.
	Lease *Lease
	Owner Owner
}

// Owner holds what is attached to a stream.
type Owner interface {
	// Close is called once, when the stream has ended. It must not block.
	Close(End)
}

// Lease is the time until which a stream may last. It can be renewed while the stream goes on. It is
// safe for concurrent use.
type Lease struct{ until atomic.Int64 }

// NewLease returns a lease that ends at the given time.
func NewLease(until time.Time) *Lease {
	l := new(Lease)
	l.Renew(until)
	return l
}

// Renew sets the end of the lease.
func (l *Lease) Renew(until time.Time) { l.until.Store(until.UnixNano()) }

// Until returns the end of the lease.
func (l *Lease) Until() time.Time { return time.Unix(0, l.until.Load()) }

func (l *Lease) hasExpired(now time.Time) bool { return l != nil && now.UnixNano() >= l.until.Load() }
