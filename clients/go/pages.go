package pgherald

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Transport says how a client receives events.
type Transport string

// The transports.
const (
	TransportAuto   Transport = ""       // a stream, and pages where a proxy lets no stream through
	TransportStream Transport = "stream" // a stream only
	TransportPoll   Transport = "poll"   // one page after another (long polling)
)

// When a client that asks for pages tries a stream again, at first and at most.
const (
	firstProbe = time.Minute
	maxProbe   = 30 * time.Minute
)

// longestWait is the longest time for which the server waits for an event.
const longestWait = 25 * time.Second

// fallback says whether a stream asks for pages.
type fallback struct {
	isActive bool
	isFixed  bool // always, or never
	probeAt  time.Time
	delay    time.Duration // until the next probe
}

func newFallback(t Transport) fallback {
	return fallback{isActive: t == TransportPoll, isFixed: t != TransportAuto}
}

func (f *fallback) isProbeDue() bool {
	return f.isActive && !f.isFixed && !time.Now().Before(f.probeAt)
}

func (f *fallback) begin() {
	f.isActive, f.delay = true, firstProbe
	f.postpone()
}

// postpone lets the next probe wait, longer each time.
func (f *fallback) postpone() {
	f.probeAt = time.Now().Add(f.delay)
	f.delay = min(2*f.delay, maxProbe)
}

// end goes back to streams.
func (f *fallback) end() { f.isActive = f.isActive && f.isFixed }

// errProbe ends a loop of pages to try a stream, or a stream that did not begin to go on with pages.
var errProbe = errors.New("change between pages and a stream")

// connect receives events until that ends. Its error is never nil.
func (s *Stream) connect(ctx context.Context, out sink) error {
	switch {
	case !s.pages.isActive:
		return s.connectStream(ctx, out, s.client.options.ConnectTimeout)
	case !s.pages.isProbeDue():
		return s.poll(ctx, out)
	}
	s.pages.postpone()
	err := s.connectStream(ctx, out, min(maxMute, s.client.options.ConnectTimeout))
	if s.pages.isActive && !errors.Is(err, errStopped) {
		return errProbe
	}
	return err
}

// changesTransport reports whether to connect again at once, in the other way. While neither works, they take turns,
// since the server may be the reason.
func (s *Stream) changesTransport(err error) bool {
	switch {
	case errors.Is(err, errProbe):
		return true
	case !errors.Is(err, errMute) || s.pages.isFixed:
		return false
	case s.pages.isActive:
		s.pages.end()
		return false
	}
	s.pages.begin()
	s.client.options.OnStatus(Status{Err: fmt.Errorf("%w: asking for pages instead", err)})
	return true
}

// eventPage is a page of events.
type eventPage struct {
	Events []json.RawMessage
	Cursor string
	More   bool
	Sync   json.RawMessage // data of a sync event; nil if the page simply continues
}

// poll asks for one page after another, and delivers what a stream would have. Its error is never nil.
func (s *Stream) poll(ctx context.Context, out sink) error {
	c := &connection{Stream: s, out: out}
	var mode Mode // of the stream that the pages stand for
	for waits := false; ; {
		began, cursor := time.Now(), s.position.cursor
		page, err := s.requestPage(ctx, waits)
		if err != nil {
			return err
		}
		events, next, err := c.eventsOf(page, mode)
		if err != nil {
			return err
		}
		if err := c.take(events, page.Cursor); err != nil {
			return err
		}
		mode = next
		switch {
		case mode == ModeDraining:
			return ErrEnded
		case c.expired:
			return errNeedsToken
		case s.pages.isProbeDue():
			return errProbe
		case len(page.Events) == 0 && (waits || (page.More && page.Cursor == cursor)):
			// A server that does not wait must not make the client spin.
			if err := sleep(ctx, time.Until(began.Add(minBackoff))); err != nil {
				return err
			}
		}
		waits = !page.More
	}
}

// eventsOf returns the events that a stream would have, and its mode after them.
func (c *connection) eventsOf(page *eventPage, mode Mode) ([]Event, Mode, error) {
	var events []Event
	sync := page.Sync
	switch {
	case sync != nil:
	case mode == "":
		sync = json.RawMessage(`{"mode":"resumed"}`)
	case mode == ModeStale:
		sync = json.RawMessage(`{"mode":"live"}`)
	}
	if sync != nil {
		e, err := controlEvent(typeSync, sync)
		if err != nil {
			return nil, "", err
		}
		events = append(events, e)
	}
	for _, raw := range page.Events {
		e, err := parseEvent(raw)
		if err != nil {
			c.client.options.OnStatus(Status{Err: err, Skipped: true})
			continue
		}
		events = append(events, e)
	}
	if mode = ModeLive; page.Sync != nil {
		mode = events[0].Sync.Mode
	}
	if len(events) == 0 {
		heartbeat, err := controlEvent(typeHeartbeat, json.RawMessage("{}"))
		return []Event{heartbeat}, mode, err
	}
	return events, mode, nil
}

// controlEvent returns an event as a stream would have it.
func controlEvent(kind string, data json.RawMessage) (Event, error) {
	raw, err := json.Marshal(map[string]any{"type": kind, "data": data, "timestamp": time.Now().UnixMilli()})
	if err != nil {
		return Event{}, errors.Join(errNotAnEvent, err)
	}
	events, err := parseEvents(raw)
	if err != nil {
		return Event{}, err
	}
	return events[0], nil
}

// requestPage requests the next page. If it waits, the server waits for an event.
func (s *Stream) requestPage(parent context.Context, waits bool) (*eventPage, error) {
	idle := s.client.options.IdleTimeout
	ctx, cancel, dog := watch(parent, idle)
	defer cancel(nil)
	req, err := s.client.newRequest(ctx, http.MethodGet, s.client.url(s.pageParams(waits, min(longestWait, idle/2)), "events"), s.reason)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.client.http.Do(req)
	if err != nil {
		return nil, dog.explain(ctx, requestError(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || mediaType(res) != "application/json" {
		return nil, newRefusedError(res)
	}
	s.reason, s.rejected = TokenConnect, false
	page, err := readPage(&watchedReader{r: res.Body, dog: dog}, s.client.options.MaxEventBytes)
	return page, dog.explain(ctx, err)
}

func (s *Stream) pageParams(waits bool, wait time.Duration) url.Values {
	params := s.params()
	params.Del("batch")
	if s.position.cursor != "" {
		params.Del("lastEventId")
		params.Set("since", s.position.cursor)
	}
	if waits {
		params.Set("wait", fmt.Sprintf("%dms", wait.Milliseconds()))
	}
	return params
}

// readPage reads a whole page: one that is cut must be requested again.
func readPage(r io.Reader, limit int) (*eventPage, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the connection broke: %w", err)
	case len(body) > limit:
		return nil, ErrEventTooLong
	}
	var page eventPage
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("read a page of events: %w", err)
	}
	if !isCursor(page.Cursor) {
		return nil, errors.New("read a page of events: it has no cursor")
	}
	page.Sync = bytes.TrimPrefix(page.Sync, []byte("null"))
	if len(page.Sync) == 0 {
		page.Sync = nil
	}
	return &page, nil
}
