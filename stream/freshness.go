package stream

import (
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// Freshness says when the feed last read the log.
type Freshness struct {
	// Age is the time since the log last answered a read of the feed.
	Age time.Duration
	// IsStale reports whether that is so long ago that clients must know: events that were committed since
	// then may be missing.
	IsStale bool
}

// Freshness returns when the feed last read the log. The feed is stale after FeedOptions.StaleAfter without an
// answer. A read that is under way has pacing.ReadPatience for its answer if the one before it succeeded:
// a log that takes seconds for each answer is slow, and not away. Of a copy that was too old when the read began, none is
// expected to be complete: the feed stays stale until one is.
func (f *Feed) Freshness() Freshness {
	f.mu.RLock()
	failed := f.outage != nil
	f.mu.RUnlock()
	queried, now := f.queriedAt.Load(), f.monotonic()
	read, delay := f.readAt.Load(), f.readDelay.Load()
	deadline := read + int64(f.opts.StaleAfter)
	if queried != 0 && !failed && (delay == 0 || queried < deadline) {
		deadline = max(deadline, queried-delay+int64(pacing.ReadPatience))
	}
	return Freshness{Age: time.Duration(now - read), IsStale: now >= deadline}
}

// Delayed is implemented by a Log that answers from a copy.
type Delayed interface {
	// Delay returns how long ago the copy was last known to be complete, as of the last answer.
	Delay() time.Duration
}

// noteRead records that the log has answered a read. The answer of a copy counts from when it was complete.
func (f *Feed) noteRead() {
	at := f.monotonic()
	if l, ok := f.log.(Delayed); ok {
		delay := int64(l.Delay())
		f.readDelay.Store(delay)
		at -= delay
	}
	f.readAt.Store(at)
}
