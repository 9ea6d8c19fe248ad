package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
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

// admitRequest implements request.Admit. The handler of streams admits those itself.
func (a *API) admitRequest(r *http.Request) (release func(), err error) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path == "/api/events" && r.ContentLength == 0 {
		return nil, nil
	}
	release, err = a.config.Streams.Admission.AdmitRequest(r)
	var rejection *admission.Rejection
	if errors.As(err, &rejection) {
		a.config.Metrics.RequestRejected(rejection.Limit)
	}
	return release, err
}

// events serves GET and HEAD /api/events.
func (a *API) events(w http.ResponseWriter, r *http.Request, client session.Client) {
	w.Header().Add("Vary", "Accept")
	query, err := eventsQuery(r.URL.RawQuery)
	if err != nil {
		refuseStream(w, r, err)
		return
	}
	if client.Identity, err = a.withName(client.Identity, query); err != nil {
		refuseStream(w, r, err)
		return
	}
	if err := client.Slot.SetUser(client.Identity.User); err != nil {
		a.reject(w, r, err)
		return
	}
	filter, err := a.filterOf(r.Context(), r.Header, query)
	if err != nil {
		refuseStream(w, r, err)
		return
	}
	filter, err = a.config.Feed.ShareFilter(filter.WithGrants(client.Identity.Grants))
	if err != nil {
		a.reject(w, r, admission.NoMemory())
		return
	}
	if a.answerWithoutStream(w, r, client, query, filter) {
		return
	}
	cursor, malformed := cursorOf(r.Header, query)
	response, err := a.begin(w, r, malformed != nil || a.config.Feed.CanResumeFromMemory(cursor))
	if err != nil {
		// Too late for a problem: the status has been written.
		a.config.Logger.Info("stream closed", "remote", client.Remote, "reason", a.closeReason(r, err), "error", err)
		return
	}
	sub, sync, err := a.subscription(r.Context(), cursor, malformed, filter)
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

// The shortest and the longest window of ?batch=.
const (
	minWindow = 10 * time.Millisecond
	maxWindow = 10 * time.Second
)

// eventsQuery parses the query string of GET /api/events and rejects unknown parameters. Unlike request.Query it accepts any
// bytes as values, since the response to a malformed cursor is a reset, not an error.
func eventsQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(encodeSemicolons(raw))
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "the query string is malformed: "+err.Error())
	}
	for name := range query {
		switch {
		case name == "since", name == "lastEventId", name == "user", name == auth.URLParam, name == auth.TicketParam,
			name == "batch", name == "conflate", name == "max", name == "wait", name == unknownParam, stream.IsFilterParam(name):
		default:
			return nil, problem.InvalidParameter(name, "is unknown: use since, lastEventId, user, types, collection, q.NAME, key, where.FIELD, any, batch, conflate, max or wait")
		}
	}
	return query, nil
}

// encodeSemicolons encodes the semicolons of named selections, as in q.NAME=collection:orders;where.status=open. In other
// parameters they are a mistake: a server may take them for separators.
func encodeSemicolons(raw string) string {
	if !strings.Contains(raw, ";") {
		return raw
	}
	params := strings.Split(raw, "&")
	for i, p := range params {
		if strings.HasPrefix(p, "q.") {
			params[i] = strings.ReplaceAll(p, ";", "%3B")
		}
	}
	return strings.Join(params, "&")
}

// cursorOf returns the cursor after which the client continues, the zero cursor if it gives none. The header takes
// precedence: a browser that reconnects sends the latest id in the header, and the URL with which it first connected.
func cursorOf(header http.Header, query url.Values) (stream.Cursor, error) {
	for _, text := range []string{header.Get("Last-Event-ID"), query.Get("lastEventId"), query.Get("since")} {
		if text != "" {
			return stream.ParseCursor(text)
		}
	}
	return stream.Cursor{}, nil
}

// filterOf returns the filter that the query describes, if there are such collections and types.
func (a *API) filterOf(ctx context.Context, header http.Header, query url.Values) (stream.Filter, error) {
	return request.Again(ctx, a.config.Settle, func() (stream.Filter, error) {
		filter, err := filterOf(query, a.config.Collections)
		if err == nil {
			err = a.features.types.check(ctx, header, query, &filter)
		}
		return filter, err
	})
}

// filterOf returns the filter that the query describes, with its batch window and conflation.
func filterOf(query url.Values, collections *collection.Set) (stream.Filter, error) {
	filter, err := stream.ParseFilter(query, collections)
	var invalid *stream.ParamError
	if errors.As(err, &invalid) {
		p := problem.InvalidParameter(request.Shorten(invalid.Param), invalid.Detail)
		p.IsUnknown = invalid.IsUnknown
		return filter, p
	}
	if err != nil { // a *collection.WithheldError
		return filter, request.Withheld()
	}
	if conflate := query["conflate"]; conflate != nil {
		if !slices.Equal(conflate, []string{"1"}) {
			return filter, problem.InvalidParameter("conflate", "must be 1")
		}
		filter = filter.Conflated()
	}
	if batch := query["batch"]; batch != nil {
		window, err := windowOf(batch)
		if err != nil {
			return filter, err
		}
		filter = filter.Batched(window)
	}
	return filter, nil
}

func windowOf(batch []string) (time.Duration, error) {
	if len(batch) != 1 {
		return 0, problem.InvalidParameter("batch", fmt.Sprintf("is given %d times", len(batch)))
	}
	window, err := time.ParseDuration(batch[0])
	if err != nil || window < minWindow || window > maxWindow {
		return 0, problem.InvalidParameter("batch", "must be a time from 10ms to 10s, such as 250ms")
	}
	return window, nil
}
