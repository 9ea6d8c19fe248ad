package sse

import (
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Meter counts what streams write. Its methods may be called from any goroutine and must not block.
type Meter interface {
	// Sent counts bytes that sockets took and events of the log that were written, for many
	// deliveries at a time where possible.
	Sent(bytes int64, events uint64)
	// Written observes events that were just written to clients. at holds the trigger's clock for
	// each, in Unix nanoseconds.
	Written(at []int64, now time.Time)
	// Reset counts a client that received a reset in the middle of its stream.
	Reset(reason stream.ResetReason)
}

// maxTimes bounds the room for the times of events that freshness keeps between passes; a bulk
// statement may have many.
const maxTimes = 4096

// freshness reports to the meter how old events are when they are written, once for each event and not
// for each client.
type freshness struct {
	feed  *stream.Feed
	meter Meter
	mark  stream.Mark
	at    []int64
}

func newFreshness(o Options) freshness {
	return freshness{feed: o.Feed, meter: o.Meter, mark: o.Feed.Mark()}
}

// collect remembers the events that are new since its last call. Called before a pass, it remembers
// no event that the pass does not write.
func (f *freshness) collect() { f.at, f.mark = f.feed.WrittenSince(f.at[:0], f.mark) }

// report reports the collected events as written.
func (f *freshness) report(now time.Time) {
	f.meter.Written(f.at, now)
	if cap(f.at) > maxTimes {
		f.at = nil
	}
}

// sharedFreshness is the freshness of all streams that goroutines serve: the first goroutine that has
// written an event reports it.
type sharedFreshness struct {
	mu      sync.Mutex
	streams int
	freshness
}

// addStream counts a stream. Events from before the first one were not written to any client.
func (f *sharedFreshness) addStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams++; f.streams == 1 {
		f.mark = f.feed.Mark()
	}
}

func (f *sharedFreshness) removeStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams--
}

// observe reports the events that are new. A stream calls it when it has no pending events.
func (f *sharedFreshness) observe() {
	if !f.mu.TryLock() {
		return // another stream reports them
	}
	defer f.mu.Unlock()
	f.collect()
	if len(f.at) > 0 {
		f.report(time.Now())
	}
}
