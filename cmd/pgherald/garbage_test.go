package main

import "testing"

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
