package pgherald

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrEventTooLong ends a stream with an event above Options.MaxEventBytes, as it would arrive again after every
// reconnect.
var ErrEventTooLong = errors.New("read an event: it is longer than MaxEventBytes")

// RefusedError is a response other than the requested one.
type RefusedError struct {
	Status      int
	ContentType string
	Code        string        // of pgherald's problem details, such as token_expired
	Detail      string        // of problem details
	RetryAfter  time.Duration // the delay that the server demands, or 0
	IsServers   bool          // the response has problem details, as pgherald's have, and is not a proxy's
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.Status == http.StatusOK {
		contentType := e.ContentType
		if contentType == "" {
			contentType = "without a content type"
		}
		return "the response is " + contentType + ", which was not requested"
	}
	message := fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		message += ", " + e.Detail
	}
	return message
}

// Temporary reports whether another attempt may succeed.
func (e *RefusedError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return e.Status >= 500
	}
}

// newRefusedError reads the response, but not all of a large body.
func newRefusedError(res *http.Response) *RefusedError {
	e := &RefusedError{
		Status:      res.StatusCode,
		ContentType: res.Header.Get("Content-Type"),
		RetryAfter:  retryAfter(res.Header.Get("Retry-After"), time.Now()),
	}
	if mediaType(res) == "application/problem+json" {
		var problem struct{ Code, Detail string }
		e.IsServers = json.NewDecoder(io.LimitReader(res.Body, 16<<10)).Decode(&problem) == nil
		e.Code, e.Detail = problem.Code, problem.Detail
	}
	return e
}

func mediaType(res *http.Response) string {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return media
}

// retryAfter parses a Retry-After header, seconds or a date, as a delay from now. An invalid or past value is 0.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// permanentError is an error that another attempt would not cure.
type permanentError struct{ error }

// Unwrap returns the cause.
func (e permanentError) Unwrap() error { return e.error }

// requestError converts an error of http.Client. It drops the URL, which may hold a secret.
func requestError(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return permanentError{fmt.Errorf("the server's certificate is not trusted: %w", err)}
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return permanentError{errors.New("the server does not speak TLS: give a URL that begins with http://")}
	}
	return fmt.Errorf("no response: %w", err)
}

// isTemporary reports whether another attempt may succeed, and the delay that the server demands.
func isTemporary(err error) (bool, time.Duration) {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Temporary(), refused.RetryAfter
	}
	var permanent permanentError
	return !errors.As(err, &permanent) && !errors.Is(err, ErrEventTooLong), 0
}
