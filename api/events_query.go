package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// The shortest and the longest window of ?batch=.
const (
	minWindow = 10 * time.Millisecond
	maxWindow = 10 * time.Second
)

// eventsQuery parses the query string of GET /api/events and rejects unknown parameters. Unlike request.Query it accepts any
// bytes as values, since the response to a malformed cursor is a reset, not an error.
func eventsQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "the query string is malformed: "+err.Error())
	}
	for name := range query {
		switch {
		case name == "since", name == "lastEventId", name == "user", name == auth.URLParam, name == auth.TicketParam,
			name == "batch", name == "conflate", stream.IsFilterParam(name):
		default:
			return nil, problem.InvalidParameter(name, "is not known: since, lastEventId, user, types, key, where.FIELD, batch and conflate are")
		}
	}
	return query, nil
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

// filterOf returns the filter that the query describes, with its batch window and conflation.
func filterOf(query url.Values) (stream.Filter, error) {
	filter, err := stream.ParseFilter(query)
	var invalid *stream.ParamError
	if errors.As(err, &invalid) {
		return filter, problem.InvalidParameter(request.Shorten(invalid.Param), invalid.Detail)
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
