package sse

import (
	"context"
	"net/http"
	"time"
)

// Response is a stream's response that has begun.
type Response struct {
	w    http.ResponseWriter
	r    *http.Request
	head []byte // bytes before the first event that were not written yet
}

// Begin sets the headers of a stream's response and its status, 200. It sends nothing yet.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request) (*Response, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if s.engine != nil && r.ProtoMajor == 1 && r.TLS == nil {
		// The response ends with its connection: net/http writes no chunks, so that the engine can
		// take the socket over and go on with plain bytes.
		h.Set("Transfer-Encoding", "identity")
	}
	if err := s.extendDeadline(w); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return &Response{w: w, r: r, head: s.retryLine("\n\n")}, nil
}

// Flush sends the headers and the reconnection delay, for a client that has to wait for its first
// event.
func (re *Response) Flush() error {
	if _, err := re.w.Write(re.head); err != nil {
		return err
	}
	re.head = nil
	return http.NewResponseController(re.w).Flush()
}

// extendDeadline gives the client WriteTimeout from now on to take what is written next.
func (s *Server) extendDeadline(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout))
}

// Serve serves a stream on a response that has begun. It returns when the stream has ended, or when
// the engine or ServeOutermost continues it. It calls the owner's Close in every case.
func (s *Server) Serve(re *Response, st *Stream) {
	began := time.Now()
	if !s.streams.add() {
		st.Owner.Close(End{Reason: CloseServerClosed})
		return
	}
	if s.engine != nil && !s.isDrained() && s.engine.takeOver(re, st, began) {
		return
	}
	g := &goroutine{server: s, stream: st, w: re.w, buf: re.head, began: began}
	if outermost, ok := re.w.(*outermostWriter); ok {
		g.w, outermost.stream = outermost.ResponseWriter, g
		return
	}
	g.serve(re.r.Context())
}

// ServeOutermost returns a handler that serves streams after next has returned, if a goroutine serves
// them. So a stream that lasts for hours keeps neither the stack frames of other handlers nor what they
// allocated for the request. It must wrap all other handlers. Without it, Serve serves the stream.
func ServeOutermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet { // not a stream; and http.MaxBytesReader needs net/http's own writer
			next.ServeHTTP(w, r)
			return
		}
		o := &outermostWriter{ResponseWriter: w, request: r.Context()}
		next.ServeHTTP(o, r)
		if o.stream != nil {
			o.stream.serve(o.request)
		}
	})
}

// outermostWriter is the writer of a response that may become a stream.
type outermostWriter struct {
	http.ResponseWriter
	request context.Context
	stream  *goroutine // set by Serve
}

// Unwrap returns the inner writer, for http.ResponseController.
func (o *outermostWriter) Unwrap() http.ResponseWriter { return o.ResponseWriter }
