package server

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The bounds of GOGC, the percentage by which the heap may grow between two collections. Go's default is
// the upper one: a server whose memory is mostly a full feed would then need twice as much. Below the lower
// one, frequent collections cost a server with a small heap more than they save.
const (
	minGarbagePercent = 40
	maxGarbagePercent = 100
)

// garbagePercent returns the GOGC that allows garbage of a quarter of the feed's size, within the bounds.
// Both sizes are in bytes.
func garbagePercent(feed, live uint64) int {
	return int(min(maxGarbagePercent, max(minGarbagePercent, maxGarbagePercent/4*feed/max(1, live))))
}

// boundGarbage adapts GOGC after each collection until ctx ends. It does nothing if the environment sets
// GOGC or GOMEMLIMIT.
func boundGarbage(ctx context.Context, feed uint64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	defer debug.SetGCPercent(maxGarbagePercent)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for current := maxGarbagePercent; ; {
		collected := nextCollection()
		metrics.Read(live)
		if percent := garbagePercent(feed, live[0].Value.Uint64()); percent != current {
			debug.SetGCPercent(percent)
			current = percent
		}
		select {
		case <-collected:
		case <-ctx.Done():
			return
		}
	}
}

// nextCollection returns a channel that is closed after the next garbage collection: the size of the live
// heap changes only then. A timer would wake an idle server.
func nextCollection() <-chan struct{} {
	collected := make(chan struct{})
	garbage := &struct{ pointer *byte }{} // the allocator gives a value without a pointer memory shared with others
	runtime.AddCleanup(garbage, func(c chan struct{}) { close(c) }, collected)
	return collected
}
