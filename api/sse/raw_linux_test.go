package sse

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStopwatch: a thread that waits costs nothing, one that works does.
func TestStopwatch(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	waited := startWatch()
	if _, err := unix.Poll(nil, 50); err != nil {
		t.Skip("interrupted: ", err)
	}
	now := time.Now()
	if cost := waited.cost(now); cost >= now.Sub(waited.began)/2 {
		t.Errorf("%v of waiting cost %v", now.Sub(waited.began), cost)
	}
	worked := startWatch()
	for threadTime()-worked.cpu < 5*time.Millisecond {
	}
	if cost := worked.cost(time.Now()); cost < 5*time.Millisecond {
		t.Errorf("5 ms of work cost %v", cost)
	}
}
