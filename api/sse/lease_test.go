package sse

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The goroutine transport ends a stream at the end of its lease, and later if the lease was renewed.
func TestGoroutineFollowsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lease := NewLease(began.Add(time.Minute))
		ctx, cancel := context.WithCancelCause(t.Context())
		g := &goroutine{stream: &Stream{Lease: lease}}
		defer g.watchLease(cancel)()
		time.AfterFunc(59*time.Second, func() { lease.Renew(began.Add(time.Hour)) })
		<-ctx.Done()
		if lasted := time.Since(began); lasted != time.Hour || !errors.Is(context.Cause(ctx), CloseExpired) {
			t.Errorf("the stream ended after %v with %v, want %v and %v", lasted, context.Cause(ctx), time.Hour, CloseExpired)
		}
	})
}
