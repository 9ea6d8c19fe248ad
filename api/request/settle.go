package request

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/problem"
)

// Settle returns nil once the server knows which collections, fields and types there are now. Its error says why the server
// cannot tell.
type Settle func(context.Context) error

// Again returns the result of parse, and that of a second call after settle if the request names something unknown: it may be
// new, and the answer that there is no such thing ends a client. A nil settle is none.
func Again[T any](ctx context.Context, settle Settle, parse func() (T, error)) (T, error) {
	result, err := parse()
	var p *problem.Problem
	if settle != nil && errors.As(err, &p) && p.IsUnknown {
		if undecided := settle(ctx); undecided != nil {
			return result, undecidedProblem(undecided)
		}
		result, err = parse()
	}
	return result, err
}

// Unknown returns the problem, with the mark that it names something that may be new.
func Unknown(p *problem.Problem) *problem.Problem {
	p.IsUnknown = true
	return p
}

// undecidedRetry and withheldRetry are long enough for a server that looks at the database, and for one that is replaced.
const (
	undecidedRetry = 2 * time.Second
	withheldRetry  = 5 * time.Second
)

func undecidedProblem(err error) *problem.Problem {
	return &problem.Problem{
		Status: http.StatusServiceUnavailable, Code: "undecided", RetryAfter: undecidedRetry, IsExpected: true,
		Detail: "the request names what this server does not know, and the server cannot tell whether it exists: " + err.Error(),
	}
}

// Withheld returns the problem of a collection that the server must not show for now.
func Withheld() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusServiceUnavailable, Code: "collection_changed", RetryAfter: withheldRetry, IsExpected: true,
		Detail: "another state of the spec is installed than this server has, which may show less of the collection: try again in a moment, also at another server",
	}
}
