package sse

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Stream is a stream whose request is valid and whose response has begun: the argument of Server.Serve.
type Stream struct {
	Sub  *stream.Subscription
	Sync stream.Sync // the first event
	// Lease limits how long the stream may last; nil does not limit it.
	Lease *Lease
	Owner Owner
}

// Owner is notified of the end of a stream.
type Owner interface {
	// Close is called once, when the stream has ended. It must not block, and releases what belongs to
	// the stream.
	Close(End)
}

// Response is a stream's response that has begun.
type Response struct {
	w    http.ResponseWriter
	r    *http.Request
	head []byte // the retry line, until it is written
}

// Begin sets the headers of a stream's response and its status, 200. It sends nothing yet.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request) (*Response, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if s.transport != nil && r.ProtoMajor == 1 && r.TLS == nil {
		// The response ends with its connection: net/http writes no chunks, so that the transport can
		// take the socket over and go on with plain bytes.
		h.Set("Transfer-Encoding", "identity")
	}
	if err := s.extendDeadline(w); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return &Response{w: w, r: r, head: s.retryLine("\n\n")}, nil
}

// Flush sends the headers and the retry line. Call it if the first event will take long.
func (re *Response) Flush() error {
	if _, err := re.w.Write(re.head); err != nil {
		return err
	}
	re.head = nil
	return flush(re.w)
}

// extendDeadline sets the deadline of the next write to WriteTimeout from now.
func (s *Server) extendDeadline(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout))
}

// flush sends what was written, and removes the deadline until the next write: on HTTP/2, net/http resets a stream whose
// deadline expires, even if nothing is being written.
func flush(w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil {
		return err
	}
	return control.SetWriteDeadline(time.Time{})
}

// Serve serves a stream on a response that has begun. It returns when the stream has ended, or when
// the transport or ServeOutermost continues it. It calls the owner's Close in every case.
func (s *Server) Serve(re *Response, st *Stream) {
	began := time.Now()
	if !s.streams.add() {
		st.Owner.Close(End{Reason: CloseServerClosed})
		return
	}
	if s.transport != nil && !s.isDrained() && s.transport.takeOver(re, st, began) {
		return
	}
	g := &goroutine{server: s, stream: st, w: re.w, buf: re.head, began: began}
	if outermost, ok := re.w.(*outermostWriter); ok {
		g.w, outermost.stream = outermost.ResponseWriter, g
		return
	}
	g.serve(re.r.Context())
}

// ServeOutermost returns a handler that serves a stream after next has returned, if a goroutine serves
// it. So a stream that lasts for hours keeps neither the stack frames of other handlers nor the memory
// that they allocated for the request. It must wrap all other handlers. Without it, Serve itself serves
// the stream.
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

// CloseReason says why a stream ended: a value for logs and a label of the metrics. It is also an
// error, so that it can be the cause of a context's end.
type CloseReason string

// The reasons. CloseOther stands for an error of the log or of the response; End.Err holds it.
const (
	CloseClientGone   CloseReason = "client_gone"   // the client closed the connection
	CloseSlow         CloseReason = "slow"          // the client accepted no bytes for the write timeout
	CloseDraining     CloseReason = "draining"      // the server drains
	CloseExpired      CloseReason = "expired"       // the lease ended
	CloseRevoked      CloseReason = "revoked"       // the lease was revoked
	CloseServerClosed CloseReason = "server_closed" // the server closed before it had drained the stream
	CloseOther        CloseReason = "other"
)

// CloseReasons returns every reason.
func CloseReasons() []CloseReason {
	return []CloseReason{CloseClientGone, CloseSlow, CloseDraining, CloseExpired, CloseRevoked, CloseServerClosed, CloseOther}
}

// Error returns the reason's text.
func (r CloseReason) Error() string { return string(r) }

// reasonOf returns the close reason that err wraps, or else CloseOther.
func reasonOf(err error) CloseReason {
	if reason, ok := errors.AsType[CloseReason](err); ok {
		return reason
	}
	return CloseOther
}

// End describes a stream that has ended.
type End struct {
	Reason   CloseReason
	Err      error // with CloseOther, the error that ended the stream; else nil
	Duration time.Duration
	Bytes    int64  // written to the client
	Events   uint64 // of the log, written to the client
}

// newEnd returns the description of the end of a stream. err is the cause of the end.
func newEnd(err error, duration time.Duration, bytes int64, events uint64) End {
	e := End{Reason: reasonOf(err), Duration: duration, Bytes: bytes, Events: events}
	if e.Reason == CloseOther {
		e.Err = err
	}
	return e
}
