package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// forwardedMark is a header of the requests to the application. A server that receives it has its own URL as --auth-url.
const forwardedMark = "Pgherald-Identify"

// question holds the parts of a request that the application receives.
type question struct {
	key    [sha256.Size]byte // of the credentials
	header http.Header       // with the credentials
	method string
	uri    string // without the tokens in it
	host   string
}

// target says what an answer may depend on besides the credentials.
func (q question) target() string { return q.method + " " + q.host + " " + q.uri }

// checkForwardedHeader returns an error for a header that only this server may write, or that belongs to one connection.
func checkForwardedHeader(name string) error {
	canonical := http.CanonicalHeaderKey(name)
	isToken := name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
	owned := []string{"Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Forwarded",
		"Accept", "Accept-Encoding", "Content-Length", "Content-Type", "Content-Encoding", "User-Agent", forwardedMark}
	if !isToken || slices.Contains(owned, canonical) || strings.HasPrefix(canonical, "X-Forwarded-") || strings.HasPrefix(canonical, "Proxy-") {
		return fmt.Errorf("the header %q cannot be passed on: name headers with credentials, such as cookie", name)
	}
	return nil
}

// question reads the credentials of a request. A request without any is a question too: the application may know guests.
func (f *Forward) question(r *http.Request) (question, error) {
	q := question{header: make(http.Header), method: r.Method, host: r.Host}
	switch {
	case r.Header.Get(forwardedMark) != "":
		return q, &Error{Status: http.StatusLoopDetected, Code: "auth_loop", IsExpected: true, Detail: "--auth-url leads back to pgherald: give the URL of the application"}
	case r.URL.Query().Has(URLParam):
		return q, tokenInURL()
	}
	size, ambient := 0, false
	for _, name := range f.opts.Headers {
		values := r.Header.Values(name)
		if name == "Cookie" && len(values) > 1 { // HTTP/2 may split it
			values = []string{strings.Join(values, "; ")}
		}
		if len(values) > 1 {
			return q, unauthorized("token_malformed", "the request has several headers "+name+": send one")
		}
		for _, value := range values {
			q.header.Set(name, value)
			size += len(value)
			ambient = ambient || isAmbient(name, value)
		}
	}
	if size > maxToken {
		return q, unauthorized("token_too_large", "the credentials are larger than 16 KiB: send fewer cookies")
	}
	if ambient && !isFromTrustedPage(r, f.opts.Origins) {
		return q, foreignCredentials()
	}
	q.key = hashHeader(f.opts.Headers, q.header)
	return q, q.setURI(r.URL)
}

// isAmbient reports whether a browser may send a header by itself, whatever page causes the request: a cookie, and a name
// and password that it knows. A page has to know what it writes into other headers.
func isAmbient(name, value string) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	return name == "Cookie" || name == "Authorization" && !strings.EqualFold(scheme, "Bearer")
}

func foreignCredentials() *Error {
	return &Error{
		Status: http.StatusForbidden, Code: "origin",
		Detail: "cookies are accepted only from pages of this server's own origin, and of --cors-origins with --cors-credentials",
	}
}

// hashHeader returns the hash of the named headers, each with its length, so that no two headers have the hash of others.
func hashHeader(names []string, header http.Header) (key [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range names {
		value := header.Get(name)
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(value)))
		h.Write(size[:])
		h.Write([]byte(value))
	}
	h.Sum(key[:0])
	return key
}

// setURI sets the URI without tickets, which open a stream.
func (q *question) setURI(u *url.URL) error {
	q.uri = u.EscapedPath()
	if query := u.Query(); len(query) > 0 {
		query.Del(TicketParam)
		q.uri += "?" + query.Encode()
	}
	if len(q.uri) > maxForwardedURI {
		return &Error{
			Status: http.StatusRequestURITooLong, Code: "uri_too_long",
			Detail: fmt.Sprintf("the URL has more than %d bytes, which the application that authenticates clients may not accept: select by fewer values", maxForwardedURI),
		}
	}
	return nil
}

// request returns the request to the application.
func (f *Forward) request(ctx context.Context, q question) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.opts.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		request.Header[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	for name, value := range map[string]string{
		"Accept": "application/json", "User-Agent": "pgherald", forwardedMark: "1",
		"X-Forwarded-Method": q.method, "X-Forwarded-Uri": q.uri, "X-Forwarded-Host": q.host,
	} {
		request.Header.Set(name, value)
	}
	return request, nil
}

// errTooManyForwards is the cause if a request got no slot in its time.
var errTooManyForwards = errors.New("too many requests wait for its answers")

// errDown is the cause while connections are refused, which the log says once.
var errDown = errors.New("it refused the last connection")

// errPanic is the cause if the server made an error while others waited for the answer.
var errPanic = errors.New("the request for the answer ended without one")
