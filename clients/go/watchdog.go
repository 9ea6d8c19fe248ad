package pgherald

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// maxMute is the longest time between the beginning of a response and its first event: the server sends both at once.
const maxMute = 10 * time.Second

var (
	// errSilent is the cause of the end of a connection on which nothing arrived for too long.
	errSilent = errors.New("nothing arrived, not even a heartbeat")
	// errMute is that of a stream that did not begin.
	errMute = errors.New("the stream did not begin")
)

// silence returns how long nothing may arrive on a stream that began with a sync event. At least two heartbeats are missing
// then, of a server that says how often they come.
func (s *Sync) silence(limit time.Duration) time.Duration {
	if s.Heartbeat <= 0 || s.Heartbeat > limit.Milliseconds() {
		return limit
	}
	return min(limit, time.Duration(s.Heartbeat)*time.Millisecond*5/2+heartbeatSlack)
}

// heartbeatSlack is for what delays a heartbeat on its way.
const heartbeatSlack = 2 * time.Second

// watchdog cancels a context when nothing has arrived for too long.
type watchdog struct {
	timer  *time.Timer
	limit  time.Duration
	isOpen atomic.Bool // an event has arrived
}

// watch returns a context that ends after a silence, and a function that frees it.
func watch(ctx context.Context, limit time.Duration) (context.Context, context.CancelCauseFunc, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{limit: limit}
	w.timer = time.AfterFunc(limit, func() {
		if w.isOpen.Load() {
			cancel(errSilent)
		} else {
			cancel(errMute)
		}
	})
	return ctx, func(cause error) {
		w.timer.Stop()
		cancel(cause)
	}, w
}

// alive records that bytes have arrived.
func (w *watchdog) alive() { w.timer.Reset(w.limit) }

// wait bounds the silence from now on.
func (w *watchdog) wait(limit time.Duration) {
	w.limit = limit
	w.alive()
}

// pause ends the watch until alive is called: the program's loop body takes the time that it needs.
func (w *watchdog) pause() { w.timer.Stop() }

// explain returns the error of a connection, which is the cause of its end if the watchdog has ended it.
func (w *watchdog) explain(ctx context.Context, err error) error {
	for _, cause := range []error{errSilent, errMute} {
		if errors.Is(context.Cause(ctx), cause) {
			return fmt.Errorf("%w, for %s", cause, w.limit)
		}
	}
	return err
}

// watchedReader reports to a watchdog that bytes arrive.
type watchedReader struct {
	r   io.Reader
	dog *watchdog
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.dog.alive()
	}
	return n, err
}
