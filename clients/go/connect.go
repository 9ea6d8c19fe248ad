package pgherald

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// errNeedsToken ends a connection whose token has expired or could not be renewed.
var errNeedsToken = errors.New("the token has expired")

// connection is one response of a stream, or the pages that stand for one.
type connection struct {
	*Stream
	out      sink
	isSynced bool // it has begun with a sync event
	expired  bool
	silence  time.Duration // how long nothing may arrive
	renew    func(*Event)  // begins to renew the token; nil if each request has its own
}

// connectStream opens the stream and reads it to its end. It waits for its beginning up to the limit. Its error is never
// nil.
func (s *Stream) connectStream(ctx context.Context, out sink, limit time.Duration) error {
	ctx, cancel, dog := watch(ctx, limit)
	defer cancel(nil)
	err := s.read(ctx, cancel, out, dog)
	switch {
	case errors.Is(err, errStopped):
		return err
	case errors.Is(context.Cause(ctx), errNeedsToken):
		return errNeedsToken
	}
	return dog.explain(ctx, err)
}

func (s *Stream) read(ctx context.Context, cancel context.CancelCauseFunc, out sink, dog *watchdog) error {
	res, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		cancel(nil)
		res.Body.Close()
	}()
	var renewal sync.WaitGroup
	defer renewal.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	c := &connection{Stream: s, out: out, silence: s.client.options.IdleTimeout, renew: func(first *Event) {
		renewal.Go(func() { s.client.renew(ctx, first, func() { cancel(errNeedsToken) }) })
	}}
	dog.wait(min(maxMute, s.client.options.ConnectTimeout))
	frames := newFrameReader(&watchedReader{r: res.Body, dog: dog}, s.client.options.MaxEventBytes, func(d time.Duration) { s.retry = d })
	for {
		f, err := frames.next()
		if err != nil {
			return c.end(err)
		}
		dog.pause()
		dog.isOpen.Store(true)
		s.pages.end()
		if err := c.handle(f); err != nil {
			return err
		}
		dog.wait(c.silence)
	}
}

// end returns why the connection has ended.
func (c *connection) end(err error) error {
	if c.expired {
		return errNeedsToken
	}
	return endOfStream(err)
}

// open requests the stream.
func (s *Stream) open(ctx context.Context) (*http.Response, error) {
	req, err := s.client.newRequest(ctx, http.MethodGet, s.client.url(s.params(), "events"), s.reason)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	req.Header.Set("Cache-Control", "no-cache")
	if s.position.cursor != "" {
		req.Header.Set("Last-Event-ID", s.position.cursor)
	}
	res, err := s.client.http.Do(req)
	if err != nil {
		return nil, requestError(err)
	}
	if res.StatusCode != http.StatusOK || mediaType(res) != "text/event-stream" {
		defer res.Body.Close()
		return nil, newRefusedError(res)
	}
	s.reason, s.rejected = TokenConnect, false
	return res, nil
}

// params returns the parameters of the stream: those of the client's URL and of the filter.
func (s *Stream) params() url.Values {
	params := s.client.base.Query()
	for name, values := range s.filter.params() {
		params[name] = values
	}
	return params
}

// handle passes the events of a frame on, and advances the cursor.
func (c *connection) handle(f frame) error {
	var events []Event
	if len(f.data) > 0 {
		var err error
		if events, err = parseEvents(f.data); err != nil {
			c.client.options.OnStatus(Status{Err: err, Skipped: true})
		}
	}
	return c.take(events, f.id)
}

// take passes on events, of which the last one has the id.
func (c *connection) take(events []Event, id string) error {
	c.failures = 0
	isStopped := false
	for i := range events {
		if i == len(events)-1 && isCursor(id) {
			events[i].Cursor = id
		}
		err := c.deliver(&events[i])
		if isStopped = errors.Is(err, errStopped); isStopped && i < len(events)-1 {
			return err // within a batch
		}
	}
	if c.position.advance(id) && !isStopped {
		return c.out.advanced()
	}
	if isStopped {
		return errStopped
	}
	return nil
}

func (c *connection) deliver(e *Event) error {
	if e.Sync != nil {
		c.sync(e)
	} else if e.ID != 0 && !c.position.admit(e.ID) {
		return nil
	}
	return c.out.event(e)
}

// sync applies what a sync event says about the events after it. A live that is not the first event of its stream
// follows a stale, and changes nothing.
func (c *connection) sync(e *Event) {
	isFirst := !c.isSynced
	c.isSynced = true
	if isFirst {
		c.silence = e.Sync.silence(c.silence)
	}
	switch {
	case e.Sync.Mode == ModeReset, e.Sync.Mode == ModeLive && isFirst:
		c.out.interrupted()
		c.position.reset()
	case e.Sync.Repeats:
		c.position.expectRepeats()
	case e.Sync.Mode == ModeExpired:
		c.expired = true
	}
	if isFirst && e.Sync.Connection != "" && c.client.options.Token != nil && c.renew != nil {
		c.renew(e)
	}
}
