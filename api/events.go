package api

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

// events serves GET /api/events.
func (a *API) events(w http.ResponseWriter, r *http.Request, id auth.Identity, s *streamSlot) {
	query, err := eventsQuery(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	id, err = a.withName(id, query)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if err := s.SetUser(id.User); err != nil {
		a.reject(w, r, err)
		return
	}
	filter, err := filterOf(query)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	cursor, malformed := cursorOf(r.Header, query)
	response, err := a.begin(w, r, malformed != nil || a.config.Feed.Reaches(cursor))
	if err != nil {
		// Too late for a problem: the status has been written.
		a.config.Logger.Info("stream closed", "remote", s.remote, "reason", closeReason(r, err))
		return
	}
	sub, sync, err := a.subscribe(r.Context(), cursor, malformed, filter.WithGrants(id.Grants))
	switch {
	case err != nil && (r.Context().Err() != nil || a.draining.Err() != nil): // ended before the first event
		a.config.Logger.Info("stream closed", "remote", s.remote, "reason", closeReason(r, err))
	case err != nil:
		// The log cannot be read. The stream ends with status 200, because an EventSource reconnects after the end of a
		// stream, but never after another status.
		a.config.Logger.Warn("stream failed to start", "remote", s.remote, "error", err)
	default:
		a.serve(response, s, id, sub, sync)
	}
}

// begin begins the response. If inMemory is false, the first event has to wait for a read of the log; then begin sends the
// headers at once.
func (a *API) begin(w http.ResponseWriter, r *http.Request, inMemory bool) (*sse.Response, error) {
	response, err := a.streams.Begin(w, r)
	if err != nil || inMemory {
		return response, err
	}
	return response, response.Flush()
}

// subscribe subscribes to the feed after the cursor; a malformed one leads to a reset. It stops when ctx ends or the API drains.
func (a *API) subscribe(ctx context.Context, c stream.Cursor, malformed error, f stream.Filter) (*stream.Subscription, stream.Sync, error) {
	if malformed != nil {
		sub, sync := a.config.Feed.SubscribeReset(f, stream.ResetMalformed)
		return sub, sync, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.draining, cancel)()
	return a.config.Feed.Subscribe(ctx, c, f)
}

func (a *API) serve(re *sse.Response, s *streamSlot, id auth.Identity, sub *stream.Subscription, sync stream.Sync) {
	user := id.Name()
	var lease *sse.Lease // nil is for ever
	if !id.Expires.IsZero() {
		sync.Connection, lease = a.leases.open(id)
		sync.Expires = id.Expires.UnixMilli()
	}
	s.Retain()
	a.connections.open(user)
	a.features.presence.Tracker.Opened(id.User)
	a.config.Metrics.Opened(sync)
	a.config.Logger.Debug("stream opened", "remote", s.remote, "user", user, "mode", sync.Mode, "reason", sync.Reason)
	a.streams.Serve(re, &sse.Stream{Sub: sub, Sync: sync, Lease: lease, Ended: a.onEnd(s, id.User, sync.Connection)})
}

// onEnd is what happens when a stream has ended. It is kept as long as the stream, as is all that it
// names: a hundred thousand times.
func (a *API) onEnd(s *streamSlot, user, connection string) func(sse.End) {
	return func(e sse.End) {
		name := auth.Identity{User: user}.Name()
		s.Release()
		a.leases.close(connection)
		a.connections.close(name)
		a.features.presence.Tracker.Closed(user)
		a.config.Metrics.Closed(e.Reason, e.Duration)
		logger := a.config.Logger
		if e.Err != nil {
			logger = logger.With("error", e.Err)
		}
		logger.Info("stream closed", "remote", s.remote, "user", name, "reason", e.Reason,
			"duration_ms", e.Duration.Milliseconds(), "events", e.Events, "bytes", e.Bytes)
	}
}

// closeReason returns the reason for the log why a stream ended before its first event.
func closeReason(r *http.Request, err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return string(sse.CloseSlow)
	case r.Context().Err() != nil:
		return string(sse.CloseClientGone)
	case errors.Is(err, context.Canceled):
		return string(sse.CloseDraining)
	}
	return err.Error()
}
