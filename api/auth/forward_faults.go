package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// faultInterval is the time between two lines about answers that cannot be used. Clients cause them: one whose requests the
// application does not answer could otherwise fill the log.
const faultInterval = time.Minute

// faults logs why the application's answers cannot be used.
type faults struct {
	logger *slog.Logger

	mu       sync.Mutex // guards the fields below
	loggedAt time.Time
	others   int // since then
}

// log logs a fault, unless it has logged another one within the last minute.
func (f *faults) log(cause error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.loggedAt.IsZero() && now.Sub(f.loggedAt) < faultInterval {
		f.others++
		return
	}
	f.logger.Warn("answer of the application cannot be used, the request is refused", "error", cause, "others", f.others)
	f.loggedAt, f.others = now, 0
}

// isUnavailable reports whether the application gave no answer that can be used.
func (a answer) isUnavailable() bool {
	_, ok := errors.AsType[*unavailableError](a.err)
	return ok
}

// unusable returns the answer for an application that gave none that can be used, and logs why.
func (f *Forward) unusable(after time.Duration, cause error) answer {
	a := unavailable(after, cause)
	f.faults.log(a.err, f.opts.Now())
	return a
}

// unavailable returns that answer where the log has the cause already.
func unavailable(after time.Duration, cause error) answer {
	if address, ok := errors.AsType[*url.Error](cause); ok {
		cause = address.Err // without the URL
	}
	e := &Error{
		Status: http.StatusServiceUnavailable, Code: "auth_unavailable", RetryAfter: min(max(after, minRetryAfter), maxRetryAfter), IsExpected: true,
		Detail: "the application that authenticates clients gives no answer: try again in a moment",
	}
	return answer{err: &unavailableError{e, cause}}
}

// unavailableError is an *Error with a cause, which is for the log output and not for clients.
type unavailableError struct {
	answer *Error
	cause  error
}

func (e *unavailableError) Error() string {
	return "ask the application at --auth-url: " + e.cause.Error()
}

func (e *unavailableError) Unwrap() error { return e.answer }
