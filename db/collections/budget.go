package collections

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

var errNoMemory = errors.New("the rows of other requests use the memory for lists")

// memoryWait bounds how long a request waits for memory. Many clients load their rows at the same moment, after a TRUNCATE
// or a deployment, and a page takes milliseconds.
const memoryWait = 2 * time.Second

// budget bounds the bytes of rows that are in memory at the same time. Requests that wait get them in their order.
type budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	waiting []*waiter
}

// waiter is a request that waits for memory.
type waiter struct {
	bytes int64
	ready chan struct{} // closed when it has them
}

// reservation is a part of a budget.
type reservation struct {
	from  *budget
	bytes int64
}

// reserve takes n bytes, for which it may wait. A single reservation always fits.
func (b *budget) reserve(ctx context.Context, n int64) (*reservation, error) {
	w := b.enqueue(n)
	timer := time.NewTimer(memoryWait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return &reservation{b, n}, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	if b.leave(w) {
		return nil, errNoMemory
	}
	return &reservation{b, n}, nil
}

func (b *budget) enqueue(n int64) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &waiter{n, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.serve()
	return w
}

// leave reports whether the request was still waiting, and ends that.
func (b *budget) leave(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.serve() // those behind it may need less
	return true
}

// serve gives memory to those who wait, as long as there is enough for the first. The caller holds the lock.
func (b *budget) serve() {
	for len(b.waiting) > 0 && (b.used == 0 || b.used+b.waiting[0].bytes <= b.limit) {
		b.used += b.waiting[0].bytes
		close(b.waiting[0].ready)
		b.waiting = b.waiting[1:]
	}
}

// shrink gives all but n bytes back.
func (r *reservation) shrink(n int64) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	r.from.used -= r.bytes - min(n, r.bytes)
	r.bytes = min(n, r.bytes)
	r.from.serve()
}

// release gives all back. Later calls do nothing.
func (r *reservation) release() { r.shrink(0) }
