package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		inUse uint64
		want  int
	}{{0, 100}, {10 * mib, 100}, {16 * mib, 100}, {32 * mib, 50}, {40 * mib, 40}, {1000 * mib, 40}} {
		if got := garbagePercent(64*mib, c.inUse); got != c.want {
			t.Errorf("with %d MiB in use %d %%, want %d", c.inUse/mib, got, c.want)
		}
	}
}

func TestNextCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nothing but the test collects
	runtime.GC()
	collected := nextCollection()
	select {
	case <-collected:
		t.Fatal("a collection was told of that nobody has asked for")
	default:
	}
	runtime.GC()
	select {
	case <-collected:
	case <-time.After(10 * time.Second):
		t.Fatal("a collection was not told of")
	}
}
