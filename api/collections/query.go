package collections

import (
	"errors"
	"net/url"
	"slices"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// The parameters of a list, besides those of its filter and its pages.
const (
	orderParam = "order"
	countParam = "count"
)

// parseQuery parses the raw query string of a list. Its error is a Problem.
func parseQuery(raw string, c *collection.Collection) (q listing.Query, err error) {
	values, err := request.Query(raw, knownParams(raw))
	if err != nil {
		return q, err
	}
	if q.Limit, err = request.Limit(values); err != nil {
		return q, err
	}
	for _, name := range []string{orderParam, countParam} {
		if len(values[name]) > 1 {
			return q, problem.InvalidParameter(name, "is given twice")
		}
	}
	if values.Has(request.AfterParam) {
		if q.After = values.Get(request.AfterParam); q.After == "" {
			return q, badPosition()
		}
	}
	if q.Count = values.Has(countParam); q.Count && values.Get(countParam) != "exact" {
		return q, problem.InvalidParameter(countParam, "must be exact, or left out")
	}
	if q.Order, err = collection.ParseOrder(c, values.Get(orderParam)); err != nil {
		return q, invalid(err)
	}
	for name := range values {
		if !collection.IsParam(name) {
			delete(values, name)
		}
	}
	if q.Where, err = collection.Parse(c, values); err != nil {
		return q, invalid(err)
	}
	return q, nil
}

// knownParams returns the parameters of a list, with the conditions that the query string has: package collection knows
// the fields.
func knownParams(raw string) []string {
	known := []string{request.LimitParam, request.AfterParam, orderParam, countParam, "any", "where.FIELD"}
	values, _ := url.ParseQuery(raw) // request.Query reports the error
	for name := range values {
		if collection.IsParam(name) && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	slices.Sort(known[6:])
	return known
}

// invalid returns the problem for an error of package collection.
func invalid(err error) error {
	var param *collection.ParamError
	if errors.As(err, &param) {
		p := problem.InvalidParameter(request.Shorten(param.Param), param.Detail)
		p.IsUnknown = param.IsUnknown
		return p
	}
	return err
}
