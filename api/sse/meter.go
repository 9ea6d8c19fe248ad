package sse

import (
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Meter is told what streams cost. Its methods may be called from any goroutine, and must not wait.
type Meter interface {
	// Sent is told of bytes that sockets took, and of events that were handed to connections: for many
	// deliveries at a time where that is possible.
	Sent(bytes int64, events uint64)
	// Written is told of events that were just written: when the log says that they were written
	// there, in Unix nanoseconds.
	Written(at []int64, now time.Time)
	// Reset is told when a client had to begin anew in the middle of its stream.
	Reset(reason stream.ResetReason)
}

// maxKept bounds the memory that is kept for the times of events; a bulk statement may have many.
const maxKept = 4096

// freshness tells the meter how old events are when they are written, once for each event and not
// for each client.
type freshness struct {
	feed  *stream.Feed
	meter Meter
	mark  stream.Mark
	at    []int64
}

// look remembers what is new. Call it before a pass: it then tells of nothing that is not in it.
func (f *freshness) look() { f.at, f.mark = f.feed.WrittenSince(f.at[:0], f.mark) }

// tell tells of what look has seen: after a pass over some clients.
func (f *freshness) tell(now time.Time) {
	f.meter.Written(f.at, now)
	if cap(f.at) > maxKept {
		f.at = nil
	}
}

// sharedFreshness is for goroutines that serve a client each: the first one that has written an event
// tells of it.
type sharedFreshness struct {
	mu      sync.Mutex
	streams int // that are served
	freshness
}

// enter is called for each stream that begins: what happened while there was none was written to nobody.
func (f *sharedFreshness) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams++; f.streams == 1 {
		f.mark = f.feed.Mark()
	}
}

func (f *sharedFreshness) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams--
}

// wrote is called when a stream has written what was due, or nothing was.
func (f *sharedFreshness) wrote() {
	if !f.mu.TryLock() {
		return // somebody else is telling just now
	}
	defer f.mu.Unlock()
	f.look()
	if len(f.at) > 0 {
		f.tell(time.Now())
	}
}
