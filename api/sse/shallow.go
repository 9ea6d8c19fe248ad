package sse

import (
	"context"
	"net/http"
)

// Shallow has streams that a goroutine serves each served from where it stands itself, once the
// handlers below it have returned: so that a stream that lasts for hours keeps neither their stack nor
// what they made of the request. It belongs outside of all others. Where it is missing, a stream is served
// from where Serve was called.
func Shallow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet { // no streams; and http.MaxBytesReader wants net/http's own writer
			next.ServeHTTP(w, r)
			return
		}
		s := &shallow{ResponseWriter: w, request: r.Context()}
		next.ServeHTTP(s, r)
		if s.stream != nil {
			s.stream.serve(s.request)
		}
	})
}

// shallow is the writer of a response that may become a stream.
type shallow struct {
	http.ResponseWriter
	request context.Context
	stream  *goroutine
}

// Unwrap is for http.ResponseController.
func (s *shallow) Unwrap() http.ResponseWriter { return s.ResponseWriter }
