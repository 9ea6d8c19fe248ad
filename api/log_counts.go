package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// The steps of counts, and how many there may be.
const (
	minStep, maxStep = time.Second, 24 * time.Hour
	defaultSteps     = 60
	maxSteps         = 1000
)

// countsPage is the response of GET /api/log/counts.
type countsPage struct {
	Counts []stepCounts `json:"counts"`
	Step   int64        `json:"step"` // in milliseconds
	From   request.Time `json:"from"`
	Cursor string       `json:"cursor"`
}

// stepCounts holds the numbers of events of a step, by type.
type stepCounts struct {
	From  request.Time     `json:"from"`
	Types map[string]int64 `json:"types"`
}

// counts serves GET /api/log/counts.
func (a *API) counts(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	if err := a.writeCounts(w, r, id); err != nil {
		problem.Fail(a.config.Logger, w, r, err)
	}
}

func (a *API) writeCounts(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q, err := a.countQuery(r, time.Now())
	if err != nil {
		return err
	}
	q.Filter = q.Filter.WithGrants(id.Grants)
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	counts, err := stream.CountHistory(ctx, a.features.history, q)
	if err != nil {
		return ofHistory(err, false)
	}
	page := countsPage{Counts: []stepCounts{}, Step: q.Step.Milliseconds(), From: request.Time{Time: counts.From}, Cursor: counts.Cursor.String()}
	for _, b := range counts.Buckets {
		if n := len(page.Counts); n == 0 || !page.Counts[n-1].From.Equal(b.At) {
			page.Counts = append(page.Counts, stepCounts{From: request.Time{Time: b.At}, Types: map[string]int64{}})
		}
		page.Counts[len(page.Counts)-1].Types[b.Type] += b.Events
	}
	body, err := json.Marshal(page)
	if err != nil {
		return err
	}
	return a.writeLog(w, append(body, '\n'), counts.Cursor)
}

// countQuery reads the parameters.
func (a *API) countQuery(r *http.Request, now time.Time) (q stream.CountQuery, err error) {
	query, err := logQuery(r.URL.RawQuery, "step", "from")
	if err != nil {
		return q, err
	}
	for name := range query {
		if strings.HasPrefix(name, "where.") || strings.HasPrefix(name, "q.") || name == "any" {
			return q, problem.InvalidParameter(request.Shorten(name), "has no effect on counts, which do not look into the data: use types, key or collection")
		}
	}
	if q.Step, err = stepOf(query); err != nil {
		return q, err
	}
	if q.From, err = fromOf(query, q.Step, now); err != nil {
		return q, err
	}
	q.Filter, err = a.filterOf(r.Context(), nil, query)
	return q, err
}

func stepOf(query url.Values) (time.Duration, error) {
	given, ok := query["step"]
	if !ok {
		return time.Minute, nil
	}
	step, err := time.ParseDuration(given[0])
	if len(given) != 1 || err != nil || step < minStep || step > maxStep || step%time.Second != 0 {
		return 0, problem.InvalidParameter("step", "must be one time of whole seconds from 1s to 24h, such as 1m")
	}
	return step, nil
}

// fromOf returns the beginning of the first step.
func fromOf(query url.Values, step time.Duration, now time.Time) (time.Time, error) {
	from := now.Add(-(defaultSteps - 1) * step)
	if given, ok := query["from"]; ok {
		at, err := time.Parse(time.RFC3339, given[0])
		if ms, msErr := strconv.ParseInt(given[0], 10, 64); msErr == nil {
			at, err = time.UnixMilli(ms), nil
		}
		if len(given) != 1 || err != nil || at.After(now.Add(24*time.Hour)) || now.Sub(at) > maxSteps*step || at.Before(time.Unix(0, 0)) {
			return from, problem.InvalidParameter("from", "must be one time as 2026-01-02T03:04:05Z or in Unix milliseconds, at most 1000 steps ago: give a larger step")
		}
		from = at
	}
	return stream.StepOf(from, step), nil
}
