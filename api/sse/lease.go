package sse

import (
	"math"
	"sync/atomic"
	"time"
)

// Lease holds the time until which a stream may last. While the stream is open, the lease can be renewed
// and revoked. It is safe for concurrent use.
//
// A transport checks the lease after it has chosen the bytes to write, and before it writes them. So no
// event that was written after the end of the lease reaches the client, however late the transport is.
type Lease struct {
	until atomic.Int64 // Unix nanoseconds, or revoked, or disconnected
	// wake makes the transport check the lease now; nil until a transport serves the stream.
	wake atomic.Pointer[func()]
}

// The ends of a lease that was revoked, and of one whose stream an operator ended: before every time.
const (
	revoked      = math.MinInt64
	disconnected = math.MinInt64 + 1
)

// NewLease returns a lease that ends at the given time.
func NewLease(until time.Time) *Lease {
	l := new(Lease)
	l.Renew(until)
	return l
}

// Renew sets the end of the lease, unless it was revoked or disconnected.
func (l *Lease) Renew(until time.Time) {
	for {
		before := l.until.Load()
		if before <= disconnected || l.until.CompareAndSwap(before, until.UnixNano()) {
			return
		}
	}
}

// Revoke ends the lease because its token was revoked; no renewal extends it again. It does not block.
func (l *Lease) Revoke() { l.end(revoked) }

// Disconnect ends the lease as Revoke does, with CloseDisconnected. It returns false if the lease had ended that way already.
func (l *Lease) Disconnect() bool { return l.end(disconnected) }

func (l *Lease) end(how int64) bool {
	if before := l.until.Swap(how); before <= disconnected {
		return false
	}
	if wake := l.wake.Load(); wake != nil {
		(*wake)()
	}
	return true
}

// Until returns the end of the lease. It is long ago if the lease was revoked or disconnected.
func (l *Lease) Until() time.Time { return time.Unix(0, l.until.Load()) }

// ended reports whether the lease has ended, and why: CloseExpired, CloseRevoked or CloseDisconnected. A nil lease never ends.
func (l *Lease) ended(now time.Time) (CloseReason, bool) {
	if l == nil {
		return "", false
	}
	switch until := l.until.Load(); {
	case until == revoked:
		return CloseRevoked, true
	case until == disconnected:
		return CloseDisconnected, true
	case now.UnixNano() >= until:
		return CloseExpired, true
	}
	return "", false
}

// onRevoke makes Revoke call wake, which must not block. The caller then has to check the lease, which may
// have been revoked before.
func (l *Lease) onRevoke(wake func()) {
	if l != nil {
		l.wake.Store(&wake)
	}
}
