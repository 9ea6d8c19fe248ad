package request

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/pgherald/pgherald/api/problem"
)

// Times within which a body must arrive. http.Server.ReadTimeout would end streams, too.
const (
	// bodyTimeout is for a body that the request needs.
	bodyTimeout = 30 * time.Second
	// restTimeout is for what the handler leaves unread: net/http reads it before it answers, to use the connection again.
	restTimeout = time.Second
)

// Bound returns next with a limit of the requests in progress and with a deadline for the body of each request. admit admits a
// request or returns an error to answer it with; the request is in progress until release is called. It must wrap the handlers that identify clients, because
// a client needs no token to withhold a body.
//
//   - A request whose method takes no body is answered with 413 if it has one, and next does not see it.
//   - The body of another request must arrive within 30 s.
//   - Large bodies of all requests together take a bounded memory.
//   - What next leaves unread must arrive within a second after next has returned. Otherwise net/http closes the connection.
func Bound(next http.Handler, admit func(*http.Request) (release func(), err error), bodies *Bodies) http.Handler {
	return bounds{body: bodyTimeout, rest: restTimeout, admit: admit, bodies: bodies}.handler(next)
}

// bounds holds the times, which tests shorten.
type bounds struct {
	body, rest time.Duration
	admit      func(*http.Request) (release func(), err error)
	bodies     *Bodies
}

func (b bounds) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		release, err := b.admit(r)
		if err != nil {
			b.refuse(w, r, err)
			return
		}
		defer release()
		switch {
		case r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody:
			next.ServeHTTP(w, r)
		case takesBody(r.Method):
			b.serveWithBody(next, w, r)
		default:
			b.serveWithoutBody(next, w, r)
		}
	})
}

func takesBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// serveWithBody calls next with a body that has a deadline until it has been read.
func (b bounds) serveWithBody(next http.Handler, w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	setDeadline := func(within time.Duration) { _ = control.SetReadDeadline(time.Now().Add(within)) }
	body := &boundBody{ReadCloser: r.Body, control: control, bodies: b.bodies}
	setDeadline(b.body)
	defer func() {
		b.bodies.release(body.reserved)
		if !body.hasEnded {
			setDeadline(b.rest)
		}
	}()
	bounded := *r // net/http looks at the type of the body of its own request
	bounded.Body = body
	next.ServeHTTP(w, &bounded)
}

// serveWithoutBody calls next if the body turns out to be empty. Some proxies send a chunked body without chunks, or an
// empty DATA frame.
func (b bounds) serveWithoutBody(next http.Handler, w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(b.rest))
	if err := expectEmpty(r); err != nil {
		b.refuse(w, r, err)
		return
	}
	_ = control.SetReadDeadline(time.Time{})
	next.ServeHTTP(w, r)
}

// refuse answers a request without reading its body.
func (b bounds) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(b.rest))
	if r.ProtoMajor == 1 { // on HTTP/2 it would end the client's other streams; net/http resets this one
		w.Header().Set("Connection", "close")
	}
	problem.Write(w, r, err)
}

// expectEmpty returns a problem unless the body ends without content before the deadline.
func expectEmpty(r *http.Request) error {
	if r.ContentLength > 0 {
		return problem.New(http.StatusRequestEntityTooLarge, "a "+r.Method+" request has no body here")
	}
	n, err := io.ReadFull(r.Body, make([]byte, 1))
	switch {
	case n > 0:
		return problem.New(http.StatusRequestEntityTooLarge, "a "+r.Method+" request has no body here")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.New(http.StatusRequestTimeout, "the body did not arrive in time")
	case !errors.Is(err, io.EOF):
		return BadBody("the body ended early")
	}
	return nil
}

// boundBody is a body whose end removes the deadline: when a deadline expires later, net/http treats the connection as
// closed. Errors of the deadline are ignored, because a writer without one, as in a test, reads from no network.
type boundBody struct {
	io.ReadCloser
	control  *http.ResponseController
	hasEnded bool

	bodies   *Bodies
	received int64
	reserved int64
}

// Read implements io.Reader.
func (b *boundBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	if more := bodyFactor*(b.received-smallBody) - b.reserved; more > 0 {
		if !b.bodies.reserve(more) {
			return 0, problem.New(http.StatusServiceUnavailable, "the server reads too many large bodies at the moment: try again later")
		}
		b.reserved += more
	}
	if errors.Is(err, io.EOF) && !b.hasEnded {
		b.hasEnded = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
