package pacing

import (
	"testing"
	"time"
)

func TestPollInterval(t *testing.T) {
	for rate, want := range map[float64]time.Duration{
		0: time.Millisecond, 1000: time.Millisecond, 2000: 4500 * time.Microsecond, 3000: 8 * time.Millisecond,
	} {
		if got := PollInterval(rate); got != want {
			t.Errorf("at %v transactions a second: got %v, want %v", rate, got, want)
		}
	}
}

func TestDrainInterval(t *testing.T) {
	for drained, want := range map[time.Duration]time.Duration{
		0: 6 * time.Millisecond, time.Second: 20 * time.Millisecond, time.Hour: MaxDrainInterval,
	} {
		if got := DrainInterval(6*time.Millisecond, drained); got != want {
			t.Errorf("after %v: got %v, want %v", drained, got, want)
		}
	}
}

func TestSweepInterval(t *testing.T) {
	for heartbeat, want := range map[time.Duration]time.Duration{
		time.Millisecond: time.Millisecond, 3 * time.Second: 100 * time.Millisecond, time.Hour: time.Second,
	} {
		if got := SweepInterval(heartbeat, 2*time.Hour); got != want {
			t.Errorf("with a heartbeat every %v: got %v, want %v", heartbeat, got, want)
		}
	}
}
