package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// History adds GET /api/log and GET /api/log/counts.
type History struct{ Log HistoryLog }

// HistoryLog reads and counts the events of the log backwards.
type HistoryLog interface {
	stream.HistoryLog
	stream.CountingLog
}

func (o History) addTo(f *features) error {
	if o.Log == nil {
		return errors.New("make the API: History.Log is required")
	}
	f.history = o.Log
	return nil
}

var (
	errOtherLog = &problem.Problem{Status: http.StatusGone, Code: "other_log",
		Detail: "the position belongs to another log, or to the time before a recovery of the database: begin again without before"}
	errLogReset = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "stale", RetryAfter: time.Second,
		Detail: "the event log has just become another one: try again"}
	errLogMemory = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "memory", RetryAfter: time.Second,
		Detail: "the pages of other requests use the memory for pages of events: try again in a moment"}
)

// history serves GET /api/log.
func (a *API) history(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	if err := a.writeHistory(w, r, id); err != nil {
		problem.Fail(a.config.Logger, w, r, err)
	}
}

func (a *API) writeHistory(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	query, err := logQuery(r.URL.RawQuery, "before", "max")
	if err != nil {
		return err
	}
	q, err := a.historyQuery(r, query)
	if err != nil {
		return err
	}
	q.Filter = q.Filter.WithGrants(id.Grants)
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	page, err := stream.ReadHistory(ctx, a.features.history, a.config.Collections, q)
	if err != nil {
		return ofHistory(err, !q.Before.IsZero())
	}
	return a.writeLog(w, historyBody(&page), page.Cursor)
}

// writeLog answers with JSON, if there is memory for it until the client has taken it.
func (a *API) writeLog(w http.ResponseWriter, body []byte, cursor stream.Cursor) error {
	release, ok := a.pages.Hold(int64(len(body)))
	if !ok {
		return errLogMemory
	}
	defer release()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set(request.CursorHeader, cursor.String())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // fails only if the client has gone
	return nil
}

// historyQuery reads the parameters.
func (a *API) historyQuery(r *http.Request, query url.Values) (q stream.HistoryQuery, err error) {
	q = stream.HistoryQuery{Max: defaultPageEvents, Bytes: pageBytes}
	if given, ok := query["max"]; ok {
		if q.Max, err = pageMax(given); err != nil {
			return q, err
		}
	}
	if given, ok := query["before"]; ok {
		if q.Before, err = stream.ParsePosition(given[0]); err != nil || len(given) != 1 {
			return q, problem.InvalidParameter("before", "must be the before of an earlier answer, unchanged; leave it out to begin with the newest event")
		}
	}
	q.Filter, err = a.filterOf(r.Context(), nil, query)
	return q, err
}

// pageMax returns the most events of a page.
func pageMax(given []string) (int, error) {
	n, err := strconv.Atoi(given[0])
	if len(given) != 1 || err != nil || n < 1 || n > maxPageEvents {
		return 0, problem.InvalidParameter("max", "must be one number of events from 1 to 1000")
	}
	return n, nil
}

// logQuery parses the query string of a request for the log. It rejects parameters but the given ones and those of filters.
func logQuery(raw string, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(encodeSemicolons(raw))
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "the query string is malformed: "+err.Error())
	}
	list := ""
	for _, name := range known {
		list += name + ", "
	}
	for name := range query {
		if !stream.IsFilterParam(name) && name != unknownParam && !slices.Contains(known, name) {
			return nil, problem.InvalidParameter(request.Shorten(name), "is unknown: use "+list+"types, collection, q.NAME, key, where.FIELD or any")
		}
	}
	return query, nil
}

// ofHistory returns the problem for an error of the history.
func ofHistory(err error, isContinued bool) error {
	switch {
	case errors.Is(err, stream.ErrOtherLog) && !isContinued:
		return errLogReset
	case errors.Is(err, stream.ErrOtherLog), errors.Is(err, stream.ErrFuture):
		return errOtherLog
	}
	return err
}

// historyBody returns the JSON of a page.
func historyBody(page *stream.HistoryPage) []byte {
	var b bytes.Buffer
	b.WriteString(`{"events":[`)
	b.Write(bytes.Join(page.Events, []byte(",\n")))
	b.WriteString(`],`)
	if !page.Before.IsZero() {
		b.WriteString(`"before":` + strconv.Quote(page.Before.String()) + `,`)
	}
	b.WriteString(`"cursor":` + strconv.Quote(page.Cursor.String()) + "}\n")
	return b.Bytes()
}
