package server

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The bounds of GOGC, the percentage by which the heap may grow between two collections. The upper bound is
// Go's default. With it, a server whose memory is mostly a full feed would need twice as much. With less
// than the lower bound, frequent collections cost more than they save.
const (
	minGarbagePercent = 40
	maxGarbagePercent = 100
)

// garbagePercent returns the GOGC with which garbage takes up to a quarter of the feed's size, within the
// bounds. feed and live are the limit of the feed and the live heap, in bytes.
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

// nextCollection returns a channel that is closed after the next garbage collection. The size of the live
// heap changes only then; a timer would also wake an idle server.
func nextCollection() <-chan struct{} {
	collected := make(chan struct{})
	garbage := &struct{ pointer *byte }{} // without a pointer, it would share an allocation and not be collected alone
	runtime.AddCleanup(garbage, func(c chan struct{}) { close(c) }, collected)
	return collected
}
