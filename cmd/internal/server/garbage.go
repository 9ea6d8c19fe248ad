package server

import (
	"context"
	"math"
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

// memoryLimit returns the limit of the process's memory from which on the runtime collects more often: the
// budget, or more if what is live takes nearly all of it, as that of very many connections does. Otherwise the
// runtime would collect garbage all the time and free nothing.
func memoryLimit(budget, live uint64) int64 { return int64(max(budget, live/4*5)) }

// boundGarbage adapts GOGC and the memory limit after each collection until ctx ends. It does nothing if the
// environment sets GOGC or GOMEMLIMIT.
func boundGarbage(ctx context.Context, m memory) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	defer debug.SetGCPercent(maxGarbagePercent)
	defer debug.SetMemoryLimit(math.MaxInt64)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for current := maxGarbagePercent; ; {
		collected := nextCollection()
		metrics.Read(live)
		debug.SetMemoryLimit(memoryLimit(uint64(m.total), live[0].Value.Uint64()+live[1].Value.Uint64()))
		if percent := garbagePercent(uint64(m.feed), live[0].Value.Uint64()); percent != current {
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
