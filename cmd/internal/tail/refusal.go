package tail

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

// connectError explains why a request got no response. Another attempt may cure a network error, but
// neither an untrusted certificate nor a wrong scheme.
func connectError(u *url.URL, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // without the URL, which may hold a password
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return fmt.Errorf("follow %s: the server's certificate is not trusted: %w", u.Redacted(), err)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("follow %s: the server does not speak TLS: give a URL that begins with http://", u.Redacted())
	}
	return &retryError{reason: "no response: " + plain(err.Error())}
}

// checkResponse returns nil for a stream, a retryError for a temporary refusal, and otherwise an
// error that says what to change.
func checkResponse(u *url.URL, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return checkContentType(u, res.Header.Get("Content-Type"))
	}
	answer := fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if detail := problemDetail(res); detail != "" {
		answer += ", " + detail
	}
	if isTemporary(res.StatusCode) {
		return &retryError{reason: "the server answered " + answer, after: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return fmt.Errorf("follow %s: the server answered %s: %s", u.Redacted(), answer, advice(res.StatusCode))
}

func isTemporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return status >= 500
	}
}

func advice(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "check --types, --since and the query of the URL"
	case http.StatusUnauthorized:
		return "authenticate with --header='Authorization: Bearer TOKEN'"
	case http.StatusForbidden:
		return "this user may not follow the stream: request the right, or authenticate as another user with --header"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "there is no stream: give the base URL of a pgherald server, or a full URL that ends in " + eventsPath
	default:
		return "another attempt would not help"
	}
}

func checkContentType(u *url.URL, contentType string) error {
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "text/event-stream" {
		return nil
	}
	if contentType == "" {
		contentType = "without a content type"
	}
	return fmt.Errorf("follow %s: the response is %s, not an event stream: give the base URL of a pgherald server, or a full URL that ends in %s",
		u.Redacted(), plain(contentType), eventsPath)
}

// problemDetail returns the detail of a problem details body (RFC 9457), and nothing for any other
// body.
func problemDetail(res *http.Response) string {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media != "application/problem+json" {
		return ""
	}
	var problem struct{ Detail string }
	if err := json.NewDecoder(io.LimitReader(res.Body, 16<<10)).Decode(&problem); err != nil {
		return ""
	}
	return plain(problem.Detail)
}

// retryAfter parses a Retry-After header, seconds or a date, as a delay from now. An invalid or past
// value is 0.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
