package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Times of the application's answers.
const (
	maxAnswerAge    = time.Hour        // for which an answer holds, whatever it says
	defaultIdentity = 5 * time.Minute  // for which a stream goes on after an answer that says nothing
	minIdentity     = 10 * time.Second // for which it goes on at least, so that streams do not end all the time
	maxRefusalAge   = 10 * time.Second // for which a refusal holds: the user may log in
	maxRetryAfter   = time.Minute
	minRetryAfter   = time.Second
	// maxRefusal bounds what a client receives of a refusal's body, in bytes.
	maxRefusal = 4 << 10
)

// answer says whose the credentials are, or why no user has them.
type answer struct {
	id  Identity
	err error // an *Error, or wraps one
	// The request for it began at the time at. Later requests use it before the time until; none does if that is not later.
	at, until time.Time
	// varies says that the answer is about the request, not only about its credentials.
	varies bool
}

// ask asks the application.
func (f *Forward) ask(ctx context.Context, q question) answer {
	began := f.opts.Now()
	a, outcome := f.answer(context.WithoutCancel(ctx), q, began) // others wait for the answer too
	a.at = began
	f.opts.Meter.Forwarded(outcome, f.opts.Now().Sub(began))
	return a
}

func (f *Forward) answer(ctx context.Context, q question, began time.Time) (answer, ForwardOutcome) {
	if wait := f.down.Remaining(); wait > 0 {
		return unavailable(wait, errDown), OutcomeUnavailable
	}
	if !f.takeSlot(ctx) {
		return f.unusable(0, errTooManyForwards), OutcomeUnavailable
	}
	defer func() { <-f.slots }()
	if wait := f.down.Remaining(); wait > 0 { // since it waited
		return unavailable(wait, errDown), OutcomeUnavailable
	}
	// The time is that of the request alone: a connection that is cut short because others were slow says nothing.
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	request, err := f.request(ctx, q)
	if err != nil {
		return f.unusable(0, err), OutcomeInvalid
	}
	response, err := f.client.Do(request)
	if err != nil {
		if isDial(err) {
			return unavailable(f.down.Failed(err), err), OutcomeUnavailable
		}
		return f.unusable(0, err), OutcomeUnavailable
	}
	defer response.Body.Close()
	f.down.Succeeded()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBody+1))
	if err != nil {
		return f.unusable(0, err), OutcomeUnavailable
	}
	return f.read(response, body, began)
}

// takeSlot takes the slot of a request, which the caller gives back. It returns false if none becomes free in time.
func (f *Forward) takeSlot(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// isDial reports whether no connection could be made. A request that only waits too long says nothing about others.
func isDial(err error) bool {
	network, ok := errors.AsType[*net.OpError](err)
	return ok && network.Op == "dial"
}

// read reads an answer.
func (f *Forward) read(response *http.Response, body []byte, began time.Time) (answer, ForwardOutcome) {
	h := response.Header
	a := answer{varies: varies(h)}
	maxAge, says := maxAgeOf(h)
	if !a.varies {
		a.until = began.Add(maxAge)
	}
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		a.err, a.until = refusal(status, h, body), earlier(a.until, began.Add(maxRefusalAge))
		return a, OutcomeRefused
	case status == http.StatusLoopDetected:
		return f.unusable(0, errors.New("it answers 508: --auth-url leads back to pgherald. Give the URL of the application")), OutcomeInvalid
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return f.unusable(secondsIn(h, "Retry-After"), fmt.Errorf("it answers %s", response.Status)), OutcomeUnavailable
	case status/100 != 2:
		return f.unusable(0, fmt.Errorf("it answers %s: let it answer 200, 401 or 403", response.Status)), OutcomeInvalid
	case len(body) > maxAnswerBody:
		return f.unusable(0, fmt.Errorf("its answer has more than %d bytes", maxAnswerBody)), OutcomeInvalid
	}
	claims := &claimSet{latest: began.Add(maxValidity)}
	id, err := f.readIdentity(h, body, claims)
	if err == nil {
		err = setTimes(&id, claims, began, lifetime(maxAge, says))
	}
	if err != nil {
		return f.unusable(0, err), OutcomeInvalid
	}
	if id.HasExpired(f.opts.Now()) {
		return answer{err: Expired()}, OutcomeRefused
	}
	a.id, a.until = id, earlier(a.until, id.Expires)
	return a, OutcomeAccepted
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// readIdentity reads the identity from a JSON object or, without one, from the headers of the usual proxies.
func (f *Forward) readIdentity(h http.Header, body []byte, claims *claimSet) (Identity, error) {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind == "application/json" {
		if !isUnambiguous(body) || json.Unmarshal(body, claims) != nil {
			return Identity{}, errors.New("its JSON is not one object with members of different names")
		}
		id, err := f.claims.read(claims.MapClaims)
		if err != nil {
			return Identity{}, fmt.Errorf("its JSON names no user: %w", plain(err))
		}
		return id, nil
	}
	for _, prefix := range []string{"X-Auth-Request-", "Remote-"} {
		if user := h.Get(prefix + "User"); user != "" {
			return f.claims.readHeaders(user, h.Values(prefix+"Groups"))
		}
	}
	return Identity{}, errors.New("its answer names no user: let it answer with JSON, such as {\"sub\":\"alice\"}, or a header Remote-User")
}

// readHeaders returns the identity of a user in groups, which commas separate.
func (c claimReader) readHeaders(user string, groups []string) (Identity, error) {
	var roles []any
	for group := range strings.SplitSeq(strings.Join(groups, ","), ",") {
		if group = strings.TrimSpace(group); group != "" {
			roles = append(roles, group)
		}
	}
	id, err := claimReader{roles: "roles"}.read(jwt.MapClaims{"sub": user, "roles": roles})
	return id, plain(err)
}

// plain returns an error without its status, which is that of a client's mistake.
func plain(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.Error())
}

// setTimes sets when an identity ends and was issued. Without iat, the application has issued it just now.
func setTimes(id *Identity, claims *claimSet, began time.Time, lifetime time.Duration) error {
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return plain(err)
	}
	issued, err := claims.GetIssuedAt()
	if err != nil {
		return plain(err)
	}
	id.Expires, id.IssuedAt = began.Add(lifetime), began
	if expires != nil && expires.Before(id.Expires) {
		id.Expires = expires.Time
	}
	if issued != nil {
		id.IssuedAt = issued.Time
	}
	return nil
}

// lifetime returns for how long a stream goes on after an answer.
func lifetime(maxAge time.Duration, says bool) time.Duration {
	if !says {
		return defaultIdentity
	}
	return max(maxAge, minIdentity)
}

// varies reports whether an answer depends on more than the credentials.
func varies(h http.Header) bool {
	return slices.ContainsFunc(h.Values("Vary"), func(line string) bool {
		line = strings.ToLower(line)
		return strings.Contains(line, "*") || strings.Contains(line, "x-forwarded-")
	})
}

// maxAgeOf returns for how long an answer holds, and whether it says so.
func maxAgeOf(h http.Header) (age time.Duration, says bool) {
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0, true // a value that cannot be read means that nothing is remembered
			}
			age, says = max(0, min(time.Duration(seconds)*time.Second, maxAnswerAge)-secondsIn(h, "Age")), true // a cache may stand before the application
		}
	}
	return age, says
}

// secondsIn returns the time that a header states in seconds; the most if the number is too large, 0 if there is none.
func secondsIn(h http.Header, name string) time.Duration {
	seconds, _ := strconv.ParseUint(h.Get(name), 10, 31)
	return time.Duration(seconds) * time.Second
}

// refusal returns the error for credentials that the application refused. The client receives a small JSON body of it.
func refusal(status int, h http.Header, body []byte) *Error {
	e := &Error{Status: status, Code: "session_required", Detail: "the application accepts no session of this request: log in there"}
	if status == http.StatusForbidden {
		e.Code, e.Detail = "session_refused", "the application does not let this user have events"
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	isJSON := kind == "application/json" || kind == "application/problem+json"
	if isJSON && len(body) <= maxRefusal && json.Valid(body) {
		e.Application = body
	}
	return e
}
