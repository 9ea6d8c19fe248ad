package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/triggers"
)

// TestSettle lets a client wait for the next look at the database, but not for one that has just ended.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(nil, triggers.Spec{}, time.Minute, slog.New(slog.DiscardHandler))
		look := func(isCurrent, succeeded bool) func() {
			return func() {
				began := time.Now()
				<-w.requested
				w.endLook(began, isCurrent, succeeded)
			}
		}
		settles := func(want error, looks ...func()) {
			t.Helper()
			go func() {
				for _, look := range looks {
					look()
				}
			}()
			if err := w.Settle(t.Context()); !errors.Is(err, want) {
				t.Errorf("Settle returned %v, want %v", err, want)
			}
			synctest.Wait()
		}
		settles(nil, look(true, true))
		settles(nil) // the same look
		time.Sleep(2 * minLookInterval)
		settles(errOtherSpec, look(true, false), look(false, true)) // after one that failed
		time.Sleep(2 * minLookInterval)
		settles(errNotLooked)
		<-w.requested
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Settle(ctx); !errors.Is(err, errNotLooked) {
			t.Errorf("a client that has gone: %v", err)
		}
	})
}

// TestPause measures how soon the watcher looks again: for a client or an apply after a second, for failing triggers after
// five, and after a check that failed never sooner than that.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(nil, triggers.Spec{}, time.Minute, slog.New(slog.DiscardHandler))
		for name, test := range map[string]struct {
			wake    func()
			failing bool
			want    time.Duration
		}{
			"nothing": {func() {}, false, time.Minute}, "client": {w.lookSoon, false, minLookInterval}, "apply": {w.applied, false, minLookInterval},
			"triggers": {w.wake, false, minCheckInterval}, "outage": {w.lookSoon, true, minCheckInterval},
		} {
			interval := time.NewTicker(w.interval)
			w.failing = test.failing
			test.wake()
			began := time.Now()
			if !w.pause(t.Context(), interval.C) || time.Since(began) != test.want {
				t.Errorf("%s: the next check came after %v, want %v", name, time.Since(began), test.want)
			}
			interval.Stop()
		}
	})
}
