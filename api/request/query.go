package request

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgherald/pgherald/api/problem"
)

// Numbers of rows that a client can request with the parameter limit.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// The maximum numbers of values of one parameter, and of a whole query string. PostgreSQL compares each row with all
// values.
const (
	maxValues      = 100
	maxTotalValues = 200
)

// The parameters of every list that comes in pages. They must not be repeated.
const (
	LimitParam = "limit"
	AfterParam = "after"
)

// Query parses a raw query string. Unlike url.ParseQuery it rejects unknown parameters: otherwise a request with
// a misspelt filter would return everything. It bounds the number of values. Its error is a *problem.Problem.
func Query(raw string, known []string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, BadBody("the query string is malformed: " + Shorten(strings.ToValidUTF8(err.Error(), "\uFFFD")))
	}
	var errs []problem.FieldError
	total := 0
	for name, list := range values {
		detail := ""
		total += len(list)
		switch {
		case !slices.Contains(known, name):
			detail = "is unknown: use " + strings.Join(known, ", ")
			if len(known) == 0 {
				detail = "is unknown: there are none here"
			}
		case (name == LimitParam || name == AfterParam) && len(list) > 1:
			detail = "is given twice"
		case len(list) > maxValues:
			detail = TooManyValues(maxValues)
		case slices.ContainsFunc(list, func(v string) bool { return !utf8.ValidString(v) || strings.ContainsRune(v, 0) }):
			detail = "must be UTF-8 text without the character U+0000"
		default:
			continue
		}
		errs = append(errs, problem.FieldError{Field: Shorten(name), Detail: detail})
	}
	if len(errs) == 0 && total > maxTotalValues {
		return nil, BadBody(fmt.Sprintf("the query string has too many values: at most %d", maxTotalValues))
	}
	if len(errs) == 0 {
		return values, nil
	}
	slices.SortFunc(errs, func(a, b problem.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return nil, problem.InvalidParameters(errs...)
}

// TooManyValues returns the detail for a parameter with more values than a list accepts.
func TooManyValues(limit int) string {
	return fmt.Sprintf("is given too often: at most %d times", limit)
}

// Limit returns the number of rows that a client requests for one page: from 1 to 500, and 50 without the parameter.
func Limit(values url.Values) (int, error) {
	if !values.Has(LimitParam) {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(values.Get(LimitParam))
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, problem.InvalidParameter(LimitParam, fmt.Sprintf("must be a number from 1 to %d", maxLimit))
	}
	return limit, nil
}
