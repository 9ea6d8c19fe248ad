package api

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

// admitted admits a request for a stream before it costs anything, then identifies its client and calls handle. It
// releases the slot afterwards, unless a session has retained it.
func (a *API) admitted(handle func(http.ResponseWriter, *http.Request, session.Client)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		slot, err := a.config.Streams.Admission.Admit(r)
		if err != nil {
			a.reject(w, r, err)
			return
		}
		defer slot.ReleaseUnlessRetained()
		client := session.Client{Slot: slot, Remote: r.RemoteAddr}
		if addr, forwarded := slot.ClientAddr(); forwarded {
			client.Remote = addr.String()
		}
		a.identifiedBy(a.identifyStream, func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
			client.Identity = id
			handle(w, r, client)
		})(w, r)
	}
}

// reject answers a request for a stream that a limit forbids, and counts it.
func (a *API) reject(w http.ResponseWriter, r *http.Request, err error) {
	var rejection *admission.Rejection
	if errors.As(err, &rejection) {
		a.config.Metrics.Rejected(rejection.Limit)
	}
	a.refuse(w, r, err)
}

// events serves GET /api/events.
func (a *API) events(w http.ResponseWriter, r *http.Request, client session.Client) {
	query, err := eventsQuery(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if client.Identity, err = a.withName(client.Identity, query); err != nil {
		problem.Write(w, r, err)
		return
	}
	if err := client.Slot.SetUser(client.Identity.User); err != nil {
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
		a.config.Logger.Info("stream closed", "remote", client.Remote, "reason", a.closeReason(r, err), "error", err)
		return
	}
	sub, sync, err := a.subscribe(r.Context(), cursor, malformed, filter.WithGrants(client.Identity.Grants))
	if err == nil {
		a.sessions.Serve(response, client, sub, sync)
		return
	}
	if reason := a.closeReason(r, err); reason != sse.CloseOther {
		a.config.Logger.Info("stream closed", "remote", client.Remote, "reason", reason)
		return
	}
	// The log cannot be read. The stream ends with status 200, because an EventSource reconnects after the end of a stream, but
	// never after another status.
	a.config.Logger.Warn("stream failed to start", "remote", client.Remote, "error", err)
}

// begin begins the response. If inMemory is false, the first event waits for a read of the log, so begin sends the headers
// at once.
func (a *API) begin(w http.ResponseWriter, r *http.Request, inMemory bool) (*sse.Response, error) {
	response, err := a.streams.Begin(w, r)
	if err != nil || inMemory {
		return response, err
	}
	return response, response.Flush()
}

// subscribe subscribes to the feed after the cursor. If malformed is not nil, the subscription begins with a reset. subscribe
// returns an error when ctx ends or the API begins to drain.
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

// closeReason returns the reason for which a stream ended before its session opened.
func (a *API) closeReason(r *http.Request, err error) sse.CloseReason {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sse.CloseSlow
	case r.Context().Err() != nil:
		return sse.CloseClientGone
	case a.draining.Err() != nil:
		return sse.CloseDraining
	}
	return sse.CloseOther
}
