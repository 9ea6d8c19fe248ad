package collections

import (
	"errors"
	"runtime"
	"testing"
)

// Clients that load at the same moment wait for each other.
func TestRequestsWaitForMemory(t *testing.T) {
	t.Parallel()
	b := budget{limit: 10}
	first, err := b.reserve(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	for range 3 {
		go func() {
			r, err := b.reserve(t.Context(), 6)
			if err == nil {
				r.release()
			}
			waited <- err
		}()
	}
	for queued := 0; queued < 3; { // they wait
		b.mu.Lock()
		queued = len(b.waiting)
		b.mu.Unlock()
		runtime.Gosched()
	}
	first.shrink(2)
	for range 3 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	if _, err := b.reserve(t.Context(), 9); !errors.Is(err, errNoMemory) {
		t.Errorf("more than the budget: %v", err)
	}
}
