package server

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 100}, {10 * mib, 100}, {16 * mib, 100}, {32 * mib, 50}, {40 * mib, 40}, {1000 * mib, 40}} {
		if got := garbagePercent(64*mib, c.live); got != c.want {
			t.Errorf("garbagePercent with a live heap of %d MiB = %d, want %d", c.live/mib, got, c.want)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct{ live, want uint64 }{{0, 500}, {400, 500}, {800, 1000}} {
		if got := memoryLimit(500, c.live); got != int64(c.want) {
			t.Errorf("the limit with %d live bytes of 500 is %d, want %d", c.live, got, c.want)
		}
	}
}

func TestNextCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // only runtime.GC collects
	runtime.GC()
	collected := nextCollection()
	select {
	case <-collected:
		t.Fatal("the channel was closed before a collection")
	default:
	}
	runtime.GC()
	select {
	case <-collected:
	case <-time.After(10 * time.Second):
		t.Fatal("the channel was not closed after a collection")
	}
}
