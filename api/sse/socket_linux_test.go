package sse

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStopwatchMeasuresProcessorTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	waited := startStopwatch()
	if _, err := unix.Poll(nil, 50); err != nil {
		t.Skip("interrupted: ", err)
	}
	now := time.Now()
	if cost := waited.cost(now); cost >= now.Sub(waited.began)/2 {
		t.Errorf("cost of waiting for %v: got %v, want little", now.Sub(waited.began), cost)
	}
	worked := startStopwatch()
	for threadTime()-worked.cpu < 5*time.Millisecond {
	}
	if cost := worked.cost(time.Now()); cost < 5*time.Millisecond {
		t.Errorf("cost of 5 ms of work: got %v", cost)
	}
}
