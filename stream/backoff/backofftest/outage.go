// Package backofftest tests that a loop which fails backs off.
package backofftest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Outage is one loop during an outage.
type Outage struct {
	// Run is the loop. It ends with its context.
	Run func(context.Context)
	// Wake wakes the loop, as a notification does; nil if nothing can.
	Wake func()
	// Attempts returns how often the loop has tried.
	Attempts func() int
	// Close runs after the loop, within the bubble; it may be nil.
	Close func()
}

const (
	// length is how long an outage lasts, in the bubble's time.
	length = 2 * time.Minute
	// wakeInterval is that of 443 writes a second, with which a leader once connected 148 times a second.
	wakeInterval = time.Second / 443
)

// Check runs a loop during an outage of two minutes, while it is woken as often as busy writers do. It fails unless there
// was an attempt, and at most most of them.
func Check(t *testing.T, most int, make func(t *testing.T) Outage) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := make(t)
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		if o.Wake != nil {
			running.Go(func() { wake(ctx, o.Wake) })
		}
		running.Wait()
		if n := o.Attempts(); n == 0 || n > most {
			t.Errorf("%d attempts in %v, want 1 to %d", n, length, most)
		} else {
			t.Logf("%d attempts in %v", n, length)
		}
		if o.Close != nil {
			o.Close()
		}
	})
}

func wake(ctx context.Context, wake func()) {
	ticker := time.NewTicker(wakeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			wake()
		case <-ctx.Done():
			return
		}
	}
}
