package server

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync/atomic"
)

// accounting is a handler that accounts for the bytes of requests.
type accounting struct{ next http.Handler }

type socketKey struct{}

// withSocket implements http.Server.ConnContext.
func withSocket(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, socketOf(conn))
}

// ServeHTTP passes the request on.
func (a accounting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s, _ := r.Context().Value(socketKey{}).(*socket); s != nil {
		if r.ProtoMajor == 1 {
			s.allowance.unearned.Store(-http1Earns)
		} else {
			s.allowance.earn(headersEarn(r))
		}
		if r.Body != nil && r.Body != http.NoBody {
			body := newAccountedBody(r, &s.allowance)
			if r.ProtoMajor != 1 {
				defer body.earnUnread()
			}
			counted := *r // net/http looks at the type of the body of its own request
			counted.Body = body
			r = &counted
		}
	}
	a.next.ServeHTTP(w, r)
}

// headersEarn returns what an HTTP/2 request earns for its headers.
func headersEarn(r *http.Request) int {
	known, large := 0, 0
	count := func(name, value string) {
		if size := len(name) + len(value) + headerOverhead; size > headerTable && name != "Cookie" {
			large += size
		} else {
			known += size
		}
	}
	count(":path", r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			count(name, value)
		}
	}
	return max(requestEarns, min(known, headersEarnAtMost)) + large
}

// accountedBody is a body whose bytes are accounted for when a handler reads them.
type accountedBody struct {
	io.ReadCloser
	allowance *allowance
	left      atomic.Int64 // what may still come; a handler may read in another goroutine
}

func newAccountedBody(r *http.Request, a *allowance) *accountedBody {
	b := &accountedBody{ReadCloser: r.Body, allowance: a}
	if b.left.Store(r.ContentLength); r.ContentLength < 0 {
		b.left.Store(math.MaxInt64)
	}
	return b
}

// Read implements io.Reader.
func (b *accountedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.allowance.earn(bodyEarns * n)
	if b.left.Add(-int64(n)); errors.Is(err, io.EOF) {
		b.left.Store(0)
	}
	return n, err
}

// earnUnread accounts for what a handler has left of a body over HTTP/2, which net/http discards. The client sends it nevertheless,
// up to its window, until it reads the answer.
func (b *accountedBody) earnUnread() {
	b.allowance.earn(int(min(b.left.Load(), http2Window)))
}
