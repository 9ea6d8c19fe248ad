package sse

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
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

func TestRevokedLeaseEndsAGoroutinesStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease := NewLease(time.Now().Add(time.Hour))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer (&goroutine{stream: &Stream{Lease: lease}}).watchLease(cancel)()
		lease.Revoke()
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), CloseRevoked) {
			t.Errorf("the stream ended with %v, want %v", context.Cause(ctx), CloseRevoked)
		}
	})
}

// recorder is the writer of a response that has no network.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetWriteDeadline(time.Time) error { return nil }

// The goroutine transport writes no event of after the end of the lease, even if its timer has not fired:
// neither from the feed nor from the log.
func TestGoroutineWritesNoEventAfterTheLease(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"feed": {}, "log": {Bytes: 1}} {
		t.Run(name, func(t *testing.T) {
			log := streamtest.NewLog("k3f9")
			f := stream.NewFeed(log, feed)
			if err := f.Fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			sub, first, err := f.Subscribe(t.Context(), stream.Cursor{}, stream.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			w := recorder{httptest.NewRecorder()}
			s := &Server{opts: Options{Feed: f, Meter: noMeters{}, Now: time.Now}, start: time.Now()}
			s.reads.init()
			ctx, cancel := context.WithCancelCause(t.Context())
			g := &goroutine{server: s, stream: &Stream{Sub: sub, Sync: first, Lease: NewLease(time.Now())}, w: w, cancel: cancel, beat: time.NewTicker(time.Hour)}
			changed, wake := f.Changed(), make(chan struct{}, 1)
			for range 3 {
				tx := log.Begin()
				tx.Write("late", "row")
				tx.Commit()
			}
			var running sync.WaitGroup
			defer running.Wait()
			defer cancel(nil)
			running.Go(func() { f.Run(ctx, wake) })
			wake <- struct{}{}
			<-changed
			if err := g.run(ctx); !errors.Is(err, CloseExpired) {
				t.Errorf("run: %v, want %v", err, CloseExpired)
			}
			if got := w.Body.String(); strings.Contains(got, "late") || !strings.Contains(got, `{"mode":"expired"}`) {
				t.Errorf("received %s", got)
			}
		})
	}
}

type noMeters struct{}

func (noMeters) Sent(int64, uint64)                     {}
func (noMeters) Compressed(int64, int64)                {}
func (noMeters) Written([]stream.EventTimes, time.Time) {}
func (noMeters) Reset(stream.ResetReason)               {}
