package tail

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

// maxEvent limits the size of an event, in bytes. PostgreSQL allows 1 GB, which no terminal needs.
const maxEvent = 128 << 20

// Bounds of the delay before another attempt.
const (
	minBackoff    = time.Second // upper bound of the random part after the first failure; it doubles
	maxBackoff    = 30 * time.Second
	maxRetryAfter = time.Hour // longest delay that a server may request
)

// errSilent is the cancellation cause of a connection on which nothing arrived for too long.
var errSilent = errors.New("nothing arrived")

// retryError is an error after which another attempt may succeed. Every other error ends follow.
type retryError struct {
	reason string
	after  time.Duration // requested by the server
}

func (e *retryError) Error() string { return e.reason }

// output receives the events and the status lines, in order.
type output interface {
	event(*envelope) error
	control(*envelope) error
	status(format string, args ...any)
}

// follower follows one stream and reconnects as often as necessary. Only one goroutine may use it.
type follower struct {
	client *http.Client
	url    *url.URL
	header http.Header
	idle   time.Duration // silence after which a connection counts as dead
	out    output
	jitter func(time.Duration) time.Duration // random, in [0, argument)
	once   *onceFilter

	cursor   string        // after the last complete transaction
	retry    time.Duration // requested by the server's last retry line
	failures int           // attempts since the last frame
}

// newHTTPClient returns a client without a timeout: the follower detects dead connections itself.
// The client requests no compression, because a compressor would delay events.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	return &http.Client{Transport: t}
}

// follow reads the stream until ctx ends, the output returns an error, or another attempt cannot
// help. Its error is never nil.
func (f *follower) follow(ctx context.Context) error {
	f.out.status("connecting to %s", f.url.Redacted())
	for {
		err := f.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var again *retryError
		if !errors.As(err, &again) {
			return err
		}
		f.once.disconnect()
		f.failures++
		delay := f.backoff(again.after)
		f.out.status("%s; retrying in %s", again.reason, brief(delay))
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// backoff returns the delay that the server requested, plus a random part whose bound doubles with
// every failure. The random part spreads the reconnects of clients that lost the same server.
func (f *follower) backoff(requested time.Duration) time.Duration {
	requested = min(max(requested, f.retry), maxRetryAfter)
	bound := min(minBackoff<<min(f.failures-1, 10), maxBackoff)
	return requested + f.jitter(bound)
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

// connect opens the stream and reads it to its end. Its error is never nil.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.idle, func() { cancel(errSilent) })
	defer watchdog.Stop()

	res, err := f.request(ctx)
	if err == nil {
		defer res.Body.Close()
		body := &watchedReader{r: res.Body, alive: func() { watchdog.Reset(f.idle) }}
		err = readFrames(body, maxEvent, func(d time.Duration) { f.retry = d }, f.handle)
		err = retryable(err, body.err)
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		return &retryError{reason: fmt.Sprintf("nothing arrived for %s, not even a heartbeat", brief(f.idle))}
	}
	return err
}

// retryable turns an end of the stream that the server or the network caused into a retryError.
func retryable(err, network error) error {
	switch {
	case errors.Is(err, io.EOF):
		return &retryError{reason: "the server ended the stream"}
	case network != nil && errors.Is(err, network):
		return &retryError{reason: "the connection broke: " + plain(network.Error())}
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
		return nil, connectError(f.url, err)
	}
	if err := checkResponse(f.url, res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// handle passes the event of a frame to the output and advances the cursor. A new cursor completes a
// transaction.
func (f *follower) handle(fr frame) error {
	f.failures = 0
	var err error
	if fr.data != "" {
		err = f.deliver(fr.data)
	}
	if err != nil && !errors.Is(err, errCountReached) {
		return err
	}
	if fr.cursor != "" && fr.cursor != f.cursor && isCursor(fr.cursor) {
		f.cursor = fr.cursor
		f.once.completeTransaction()
	}
	return err
}

func (f *follower) deliver(data string) error {
	e := envelope{Raw: data}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		f.out.status("skipped a frame that is not an event of pgherald: %s", plain(err.Error()))
		return nil
	}
	if e.isControl() {
		if startsOver(&e) {
			f.once.reset()
		}
		return f.out.control(&e)
	}
	if e.ID != nil && !f.once.admit(*e.ID) {
		return nil
	}
	return f.out.event(&e)
}

// isCursor reports whether s is safe in a request header.
func isCursor(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 4096
}

// watchedReader calls alive whenever bytes arrive, and keeps the last error of the network.
type watchedReader struct {
	r     io.Reader
	alive func()
	err   error
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.alive()
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

// brief formats a duration with as many digits as a person needs.
func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
