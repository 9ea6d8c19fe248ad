package request

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
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

// maxRefusals is how many refusals may wait on HTTP/2 for clients that do not read them. Others are streams that net/http
// resets.
const maxRefusals = 256

// maxFields is how many header fields a request may have. Browsers and proxies send some dozens. A field of 6 bytes takes 200 in
// memory, so that the bound of the headers' size alone does not bound that.
const maxFields = 256

// Admit admits a request, which is in progress until release is called. release is nil if the request is for a stream, which
// another limit counts. An error is the answer to the request.
type Admit func(*http.Request) (release func(), err error)

// Bound returns next with a limit of the requests in progress and with a deadline for the body of each request. It must wrap
// the handlers that identify clients, because a client needs no token to withhold a body.
//
//   - A request with more than 256 header fields is answered with 431.
//   - A request whose method takes no body is answered with 413 if it has one, and next does not see it.
//   - The body of another request must arrive within 30 s.
//   - Large bodies of all requests together take a bounded memory.
//   - What next leaves unread must arrive within a second after next has returned. Otherwise net/http closes the connection.
//   - On HTTP/2 a request is in progress until the client has accepted the response.
func Bound(next http.Handler, admit Admit, bodies *Bodies) http.Handler {
	refusals := make(chan struct{}, maxRefusals)
	return bounds{body: bodyTimeout, rest: restTimeout, admit: admit, bodies: bodies, refusals: refusals}.handler(next)
}

// bounds holds the times and numbers, which tests change.
type bounds struct {
	body, rest time.Duration
	admit      Admit
	bodies     *Bodies
	refusals   chan struct{} // holds a value for each refusal in progress
}

func (b bounds) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var release func()
		err := checkFields(r.Header)
		if err == nil {
			release, err = b.admit(r)
		}
		switch {
		case err != nil:
			b.refuse(w, r, err)
			r.Header = nil // net/http keeps the request until the client has taken the answer
			b.awaitRefusal(w, r)
		case release == nil:
			b.serve(next, w, r)
			if !isStream(w.Header()) {
				b.awaitRefusal(w, r)
			}
		default:
			defer release()
			b.serve(next, w, r)
			r.Header = nil // see above
			await(w, r)
		}
	})
}

// isStream reports whether a response is a stream, which another limit has counted. A refusal may have the form of one that
// ends at once: its length is known.
func isStream(h http.Header) bool {
	return h.Get("Content-Type") == "text/event-stream" && h.Get("Content-Length") == ""
}

func checkFields(h http.Header) error {
	fields := len(h)
	for _, values := range h {
		if fields += len(values) - 1; fields > maxFields {
			return problem.New(http.StatusRequestHeaderFieldsTooLarge, "the request has too many header fields: send at most "+strconv.Itoa(maxFields))
		}
	}
	return nil
}

func (b bounds) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	switch {
	case r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody:
		next.ServeHTTP(w, r)
	case takesBody(r.Method):
		b.serveWithBody(next, w, r)
	default:
		b.serveWithoutBody(next, w, r)
	}
}

// await waits until the client has accepted the response. On HTTP/1 net/http waits, and a socket has one request.
func await(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor > 1 {
		_ = http.NewResponseController(w).Flush() // fails if the client has gone, or at the deadline of the write
	}
}

// awaitRefusal waits as await does for a response that no limit of requests counts.
func (b bounds) awaitRefusal(w http.ResponseWriter, r *http.Request) {
	select {
	case b.refusals <- struct{}{}:
		await(w, r)
		<-b.refusals
	default:
		if r.ProtoMajor > 1 {
			panic(http.ErrAbortHandler)
		}
	}
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
