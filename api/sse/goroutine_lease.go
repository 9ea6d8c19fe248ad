package sse

import (
	"context"
	"sync"
	"time"
)

// watchLease calls cancel when the lease ends or is revoked. If the lease was renewed meanwhile, it waits
// for the new end.
func (g *goroutine) watchLease(cancel context.CancelCauseFunc) (stop func()) {
	lease := g.stream.Lease
	if lease == nil {
		return func() {}
	}
	var mu sync.Mutex // the timer can fire before it is assigned
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(time.Until(lease.Until()), func() {
		mu.Lock()
		defer mu.Unlock()
		if reason, ended := lease.ended(time.Now()); ended {
			cancel(reason)
			return
		}
		timer.Reset(time.Until(lease.Until()))
	})
	lease.onRevoke(func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Reset(0)
	})
	if _, ended := lease.ended(time.Now()); ended { // revoked before onRevoke
		timer.Reset(0)
	}
	return func() {
		lease.onRevoke(func() {})
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}

// leaseEnded reports whether the lease has ended, and ends the stream then. It reads the clock, because the
// timer of watchLease may be late.
func (g *goroutine) leaseEnded() bool {
	reason, ended := g.stream.Lease.ended(time.Now())
	if ended {
		g.cancel(reason)
	}
	return ended
}
