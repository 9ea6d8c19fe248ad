package limit

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Refusal is why a stream may not be opened now.
type Refusal struct {
	Limit  string // total, user, address or rate
	Status int
	// RetryAfter is when to come again, in whole seconds.
	RetryAfter time.Duration
	Detail     string
}

func (r *Refusal) Error() string { return r.Detail }

func full() *Refusal {
	return &Refusal{"total", http.StatusServiceUnavailable, between(5, 30), "the server has as many streams as it may: try again later"}
}

func tooMany(limit, whose string) *Refusal {
	return &Refusal{limit, http.StatusTooManyRequests, between(5, 30),
		"too many streams " + whose + " are open: close one, or share one among the pages of a browser"}
}

func tooFast() *Refusal {
	return &Refusal{"rate", http.StatusTooManyRequests, between(1, 10), "too many streams are opened from your address: open them more slowly"}
}

// between is a number of seconds at random, both ends included.
func between(low, high int) time.Duration {
	return time.Duration(low+rand.IntN(high-low+1)) * time.Second
}
