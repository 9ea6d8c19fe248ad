package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// maxWrite is about how much one write to a client holds, in bytes.
const maxWrite = 256 << 10

// errDraining ends a stream when the server shuts down.
var errDraining = errors.New("server is draining")

// events serves GET /api/events.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	query, err := eventsQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	filter, err := filterOf(query)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(a.draining, func() { cancel(errDraining) })()

	cursor, malformed := cursorOf(r.Header, query)
	c := &connection{api: a, out: http.NewResponseController(w), w: w}
	if err := c.begin(); err != nil { // the status is on its way: there is nobody left to tell
		a.config.Logger.Info("stream closed", "remote", r.RemoteAddr, "reason", closeReason(ctx, err))
		return
	}
	sub, sync, err := a.config.Feed.Subscribe(ctx, cursor, malformed, filter)
	if err != nil && ctx.Err() != nil { // the client or the server has left before there was an answer
		a.config.Logger.Info("stream closed", "remote", r.RemoteAddr, "reason", closeReason(ctx, context.Cause(ctx)))
		return
	}
	if err != nil {
		// The log must be asked and does not answer. An EventSource never returns after a status
		// other than 200, but it does after a stream that ends: it tries again after retry.
		a.config.Logger.Warn("stream refused", "remote", r.RemoteAddr, "error", err)
		return
	}
	a.connections.open(anonymous)
	defer a.connections.close(anonymous)
	c.sub = sub
	a.config.Logger.Info("stream opened", "remote", r.RemoteAddr, "mode", sync.Mode, "reason", sync.Reason)
	began := time.Now()
	err = c.run(ctx, sync)
	a.config.Logger.Info("stream closed", "remote", r.RemoteAddr, "reason", closeReason(ctx, err),
		"duration", time.Since(began).Round(time.Millisecond), "bytes", c.bytes)
}

// eventsQuery refuses parameters that mean nothing. A query that cannot be read is refused too:
// half of it would be another stream. Unlike parseQuery it takes any bytes as values, since a
// cursor that makes no sense is answered with a reset.
func eventsQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Detail: "query cannot be read: " + err.Error()}
	}
	for name := range query {
		switch name {
		case "types", "since", "lastEventId":
		default:
			return nil, badParameter(name, "is not known: types, since and lastEventId are")
		}
	}
	return query, nil
}

// filterOf reads what the client wants to hear.
func filterOf(query url.Values) (stream.Filter, error) {
	if !query.Has("types") {
		return stream.Filter{}, nil
	}
	filter, err := stream.ParseTypes(strings.Join(query["types"], ","))
	if err != nil {
		return stream.Filter{}, badParameter("types", err.Error())
	}
	return filter, nil
}

// cursorOf returns where the client wants to go on: zero if it says nothing. What a browser sends
// by itself when it reconnects goes before what stands in a URL that it was once given.
func cursorOf(header http.Header, query url.Values) (stream.Cursor, error) {
	for _, text := range []string{header.Get("Last-Event-ID"), query.Get("lastEventId"), query.Get("since")} {
		if text != "" {
			return stream.ParseCursor(text)
		}
	}
	return stream.Cursor{}, nil
}

// connection is one stream being written.
type connection struct {
	api   *API
	sub   *stream.Subscription
	w     http.ResponseWriter
	out   *http.ResponseController
	beat  *time.Ticker
	buf   []byte
	bytes int64
	lost  error // why a write failed
}

// begin sends the headers and the client's reconnection delay.
func (c *connection) begin() error {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c.w.WriteHeader(http.StatusOK)
	return c.write([][]byte{c.retry("\n\n")})
}

func (c *connection) retry(end string) []byte {
	return []byte("retry: " + strconv.Itoa(c.api.config.Retry()) + end)
}

// run writes what is due until the client is gone or the server drains. One goroutine, one
// select: nobody else writes to this client.
func (c *connection) run(ctx context.Context, sync stream.Sync) error {
	if err := c.control(c.sub.Sync(c.buf[:0], sync, c.api.config.Now())); err != nil {
		return err
	}
	c.beat = time.NewTicker(c.api.config.Heartbeat)
	defer c.beat.Stop()
	for {
		changed := c.api.config.Feed.Changed()
		more, err := c.advance(ctx)
		if c.lost != nil { // net/http has then cancelled ctx too
			return c.lost
		}
		if ctx.Err() != nil {
			return c.goodbye(ctx)
		}
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-c.beat.C:
			if err := c.heartbeat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return c.goodbye(ctx)
		}
	}
}

// advance writes what is due now, and reports whether there may be more already.
func (c *connection) advance(ctx context.Context) (bool, error) {
	bufs, err := c.sub.Due(nil, maxWrite)
	if len(bufs) > 0 {
		if err := c.write(bufs); err != nil {
			return false, err
		}
	}
	if errors.Is(err, stream.ErrBehind) {
		err = c.sub.CatchUp(ctx, c.catchUp)
	} else if err == nil {
		return len(bufs) > 0, nil
	}
	var reset *stream.ResetError
	if errors.As(err, &reset) {
		sync := stream.Sync{Mode: stream.ModeReset, Reason: reset.Reason}
		c.api.config.Logger.Info("stream reset", "reason", reset.Reason)
		return true, c.control(c.sub.Sync(c.buf[:0], sync, c.api.config.Now()))
	}
	return true, err
}

// catchUp writes what came from the log. As long as the filter lets nothing through, it sends the
// heartbeats that nobody else would.
func (c *connection) catchUp(bufs [][]byte) error {
	if len(bufs) > 0 {
		return c.write(bufs)
	}
	select {
	case <-c.beat.C:
		return c.heartbeat()
	default:
		return nil
	}
}

func (c *connection) heartbeat() error {
	return c.control(c.sub.Heartbeat(c.buf[:0], c.api.config.Now()))
}

// goodbye tells the client to resume elsewhere, if it is the server who ends the stream.
func (c *connection) goodbye(ctx context.Context) error {
	if !errors.Is(context.Cause(ctx), errDraining) {
		return ctx.Err()
	}
	sync := stream.Sync{Mode: stream.ModeDraining}
	err := c.control(c.sub.Sync(c.retry("\n"), sync, c.api.config.Now()))
	return errors.Join(errDraining, err)
}

// control writes one frame of the stream itself, and keeps its buffer for the next.
func (c *connection) control(frame []byte) error {
	c.buf = frame
	return c.write([][]byte{frame})
}

// write writes and flushes. A client that does not take it within the time-out is gone.
func (c *connection) write(bufs [][]byte) error {
	c.lost = c.tryWrite(bufs)
	return c.lost
}

func (c *connection) tryWrite(bufs [][]byte) error {
	if err := c.out.SetWriteDeadline(time.Now().Add(c.api.config.WriteTimeout)); err != nil {
		return err
	}
	for _, b := range bufs {
		n, err := c.w.Write(b)
		c.bytes += int64(n)
		if err != nil {
			return err
		}
	}
	return c.out.Flush()
}

// closeReason says in a word why a stream ended.
func closeReason(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, errDraining):
		return "draining"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "slow"
	case ctx.Err() != nil:
		return "client gone"
	default:
		return err.Error()
	}
}
