package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxEvent is the longest event that is read, in bytes. Postgres makes none that is longer than
// 1 GB, but a terminal has no use for them.
const maxEvent = 128 << 20

// The bounds of the time between two attempts.
const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
	maxAsked     = time.Hour // that a server may ask for
)

// errSilent is why the watchdog ended a connection.
var errSilent = errors.New("nothing arrived")

// tailOutput is told what happens, in order.
type tailOutput interface {
	event(*envelope) error
	control(*envelope) error
	status(format string, args ...any)
}

// follower follows one stream over as many connections as it takes.
type follower struct {
	client *http.Client
	url    *url.URL
	header http.Header
	idle   time.Duration // of silence, after which a connection counts as dead
	out    tailOutput
	jitter func(time.Duration) time.Duration // random, from 0 to below its argument
	once   *onceGuard

	cursor   string        // after the last transaction that arrived whole
	retry    time.Duration // asked for by the server
	failures int           // attempts since something was heard
}

// againError is what a further attempt may cure. Every other error ends the tail.
type againError struct {
	reason string
	after  time.Duration // asked for by the server
}

func (e *againError) Error() string { return e.reason }

// follow returns when ctx ends, when the output has had enough, or when no further attempt would
// help.
func (f *follower) follow(ctx context.Context) error {
	f.out.status("connecting to %s", f.url.Redacted())
	for {
		err := f.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var again *againError
		if !errors.As(err, &again) {
			return err
		}
		f.once.broken()
		f.failures++
		delay := f.backoff(again.after)
		f.out.status("%s; trying again in %s", again.reason, brief(delay))
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// backoff is what the server asked for, and on top of it a random time that grows with every
// attempt in vain: clients that lost the same server must not return in one wave.
func (f *follower) backoff(asked time.Duration) time.Duration {
	asked = min(max(asked, f.retry), maxAsked)
	spread := min(firstBackoff<<min(f.failures-1, 10), maxBackoff)
	return asked + f.jitter(spread)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect opens the stream and reads it to its end, which is always an error.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.idle, func() { cancel(errSilent) })
	defer watchdog.Stop()

	res, err := f.request(ctx)
	if err == nil {
		defer res.Body.Close()
		alive := &aliveReader{r: res.Body, alive: func() { watchdog.Reset(f.idle) }}
		err = readFrames(alive, maxEvent, func(d time.Duration) { f.retry = d }, f.frame)
		err = broken(err, alive.err)
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		return &againError{reason: fmt.Sprintf("nothing arrived for %s, not even a heartbeat", brief(f.idle))}
	}
	return err
}

// broken makes an end of the stream that the network or the server brought about an againError.
func broken(err, network error) error {
	switch {
	case errors.Is(err, io.EOF):
		return &againError{reason: "the server ended the stream"}
	case network != nil && errors.Is(err, network):
		return &againError{reason: "the connection broke: " + plain(network.Error())}
	default:
		return err
	}
}

func (f *follower) request(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", f.url.Redacted(), err)
	}
	for name, values := range f.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cache-Control", "no-cache")
	if f.cursor != "" {
		req.Header.Set("Last-Event-ID", f.cursor)
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, unreachable(f.url, err)
	}
	if err := refusal(f.url, res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// frame hands an event to the output, unless it was there already, and moves the cursor.
func (f *follower) frame(fr tailFrame) error {
	f.failures = 0
	var err error
	if fr.data != "" {
		err = f.deliver(fr.data)
	}
	if err != nil && !errors.Is(err, errCounted) {
		return err
	}
	if fr.cursor != "" && fr.cursor != f.cursor && isCursor(fr.cursor) {
		f.cursor = fr.cursor
		f.once.whole()
	}
	return err
}

func (f *follower) deliver(data string) error {
	e := envelope{Raw: data}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		f.out.status("passed over what is no event of pgherald: %s", plain(err.Error()))
		return nil
	}
	if e.isControl() {
		if startsAnew(&e) {
			f.once.forget()
		}
		return f.out.control(&e)
	}
	if e.ID != nil && !f.once.fresh(*e.ID) {
		return nil
	}
	return f.out.event(&e)
}

// isCursor keeps out what could not go into a header.
func isCursor(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 4096
}

// aliveReader tells the watchdog of everything that arrives, and remembers the network's error.
type aliveReader struct {
	r     io.Reader
	alive func()
	err   error
}

// Read implements io.Reader.
func (a *aliveReader) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if n > 0 {
		a.alive()
	}
	if err != nil {
		a.err = err
	}
	return n, err
}
