package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage the runtime lets gather before it collects it, as a share of what is in use. Go's
// default is most; a server whose memory is mostly a full feed would then take twice as much. Where
// little is in use, to collect often would cost each new connection more than it saves.
const (
	leastGarbage = 40
	mostGarbage  = 100
)

// garbagePercent is that share for what is in use: a quarter of a feed's size, within those bounds.
func garbagePercent(feed, inUse uint64) int {
	return int(min(mostGarbage, max(leastGarbage, mostGarbage/4*feed/max(1, inUse))))
}

// boundGarbage keeps the runtime to it until ctx ends, unless whoever runs the server has told the
// runtime something.
func boundGarbage(ctx context.Context, feed uint64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	defer debug.SetGCPercent(mostGarbage)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := mostGarbage; ; {
		collected := nextCollection()
		metrics.Read(live)
		if percent := garbagePercent(feed, live[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-collected:
		case <-ctx.Done():
			return
		}
	}
}

// nextCollection returns a channel that is closed once the runtime has collected garbage: what is in
// use is known anew then, and not before. A timer would wake a server that rests.
func nextCollection() <-chan struct{} {
	collected := make(chan struct{})
	garbage := &struct{ pointer *byte }{} // without a pointer it might share its memory, and its life, with others
	runtime.AddCleanup(garbage, func(c chan struct{}) { close(c) }, collected)
	return collected
}
