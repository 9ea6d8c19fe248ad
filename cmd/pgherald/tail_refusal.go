package main

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

// unreachable says why there is no answer. A network may come back; a certificate that is not
// trusted stays so.
func unreachable(u *url.URL, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // the URL is told already, and may hold a password
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return fmt.Errorf("follow %s: the server's certificate is not trusted: %w", u.Redacted(), err)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("follow %s: the server does not speak TLS: give a URL that begins with http://", u.Redacted())
	}
	return &againError{reason: "no answer: " + plain(err.Error())}
}

// refusal returns nil if the response is a stream, an againError if it may be one later, and
// otherwise what to do.
func refusal(u *url.URL, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return refusedContent(u, res.Header.Get("Content-Type"))
	}
	said := fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if detail := detailOf(res); detail != "" {
		said += ", " + detail
	}
	if isPassing(res.StatusCode) {
		return &againError{reason: "the server answered " + said, after: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return fmt.Errorf("follow %s: the server answered %s: %s", u.Redacted(), said, advice(res.StatusCode))
}

func isPassing(status int) bool {
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
		return "check --types, --since and what stands behind the ? of the URL"
	case http.StatusUnauthorized:
		return "say who you are with --header='Authorization: Bearer TOKEN'"
	case http.StatusForbidden:
		return "who you are may not follow this stream: ask for the right, or come with another --header"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "no stream is there: give the base URL of a pgherald server, or a full one that ends in " + eventsPath
	default:
		return "trying again would not help"
	}
}

func refusedContent(u *url.URL, contentType string) error {
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "text/event-stream" {
		return nil
	}
	if contentType == "" {
		contentType = "something without a content type"
	}
	return fmt.Errorf("follow %s: it is %s and no event stream: give the base URL of a pgherald server, or a full one that ends in %s",
		u.Redacted(), plain(contentType), eventsPath)
}

// detailOf returns what a problem details body (RFC 9457) says, if the response has one.
func detailOf(res *http.Response) string {
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

// retryAfter reads both forms of Retry-After: seconds, and a date.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
