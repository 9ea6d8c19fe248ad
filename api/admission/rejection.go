package admission

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Limit names the limit that rejected a stream: in error codes ("limit_total") and as a label of
// metrics.
type Limit string

// The limits, one for each field of Options.
const (
	LimitTotal   Limit = "total"
	LimitUser    Limit = "user"
	LimitAddress Limit = "address"
	LimitRate    Limit = "rate"
)

// Limits returns all limits.
func Limits() []Limit { return []Limit{LimitTotal, LimitUser, LimitAddress, LimitRate} }

// Rejection is the error for a stream that a limit forbids.
type Rejection struct {
	Limit  Limit
	Status int // of HTTP: 429 if the client itself can do something about it, otherwise 503
	// RetryAfter is how long the client should wait, in whole seconds.
	RetryAfter time.Duration
	Detail     string // for people: what is wrong and what to do
}

func (r *Rejection) Error() string { return r.Detail }

func full() *Rejection {
	return &Rejection{LimitTotal, http.StatusServiceUnavailable, randomSeconds(5, 30),
		"the server has reached its limit of streams: try again later"}
}

// tooMany rejects a stream of a user or an address.
func tooMany(limit Limit, owner string) *Rejection {
	return &Rejection{limit, http.StatusTooManyRequests, randomSeconds(5, 30),
		owner + " has too many open streams: close one, or share one among the pages of a browser"}
}

func tooFast() *Rejection {
	return &Rejection{LimitRate, http.StatusTooManyRequests, randomSeconds(1, 10),
		"your address opens streams too fast: wait between attempts"}
}

// randomSeconds returns low to high seconds, both included.
func randomSeconds(low, high int) time.Duration {
	return time.Duration(low+rand.IntN(high-low+1)) * time.Second
}
