package sse

import (
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Meter counts what streams write. Its methods may be called from any goroutine and must not block.
type Meter interface {
	// Sent counts bytes that sockets accepted, and events of the log that were written. One call may
	// count many deliveries.
	Sent(bytes int64, events uint64)
	// Compressed counts bytes of compressed streams, before and after compression.
	Compressed(plain, sent int64)
	// Written observes events that were just written to clients, and when each was inserted and read.
	Written(times []stream.EventTimes, now time.Time)
	// Reset counts a client that received a reset in the middle of its stream.
	Reset(reason stream.ResetReason)
}

// maxTimes bounds the capacity that writeLatency keeps between passes. A bulk statement has many events.
const maxTimes = 4096

// writeLatency reports to the meter which events were written and when, so that it can observe their
// latency: once for each event, not for each client.
type writeLatency struct {
	feed  *stream.Feed
	meter Meter
	mark  stream.Mark         // the end of the feed at the last collect
	times []stream.EventTimes // of each collected event
}

func newWriteLatency(o Options) writeLatency {
	return writeLatency{feed: o.Feed, meter: o.Meter, mark: o.Feed.Mark()}
}

// collect stores the times of the events since its last call. Call it before a pass: then the pass
// writes all of these events.
func (f *writeLatency) collect() { f.times, f.mark = f.feed.TimesSince(f.times[:0], f.mark) }

// report reports the collected events as written.
func (f *writeLatency) report(now time.Time) {
	f.meter.Written(f.times, now)
	if cap(f.times) > maxTimes {
		f.times = nil
	}
}

// sharedWriteLatency is the writeLatency of all streams that goroutines serve: the first goroutine that
// has written an event reports it.
type sharedWriteLatency struct {
	mu      sync.Mutex
	streams int
	writeLatency
}

// addStream counts a stream. With the first stream it skips older events, which were written to no
// client.
func (f *sharedWriteLatency) addStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams++; f.streams == 1 {
		f.mark = f.feed.Mark()
	}
}

func (f *sharedWriteLatency) removeStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams--
}

// observe reports the events since the last call of any stream. A stream calls it when it has no pending
// events.
func (f *sharedWriteLatency) observe() {
	if !f.mu.TryLock() {
		return // another stream reports them
	}
	defer f.mu.Unlock()
	f.collect()
	if len(f.times) > 0 {
		f.report(time.Now())
	}
}
