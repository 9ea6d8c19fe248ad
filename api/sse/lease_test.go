package sse

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A stream on a goroutine outlives the end that it began with once its lease is renewed, and ends with
// the last one.
func TestLeaseOfAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lease := NewLease(began.Add(time.Minute))
		ctx, cancel := context.WithCancelCause(t.Context())
		g := &goroutine{stream: &Stream{Lease: lease}}
		defer g.watchLease(cancel)()
		time.AfterFunc(59*time.Second, func() { lease.Renew(began.Add(time.Hour)) })
		<-ctx.Done()
		if lasted := time.Since(began); lasted != time.Hour || !errors.Is(context.Cause(ctx), CloseExpired) {
			t.Errorf("ended after %v, with %v", lasted, context.Cause(ctx))
		}
	})
}
