package sse

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Stream is a stream whose request is valid and whose response has begun: the argument of Server.Serve.
type Stream struct {
	Sub  *stream.Subscription
	Sync stream.Sync // the first event; Serve adds the time between two heartbeats
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

	isGzip        bool
	hasGzipHeader bool // written
}

// Begin sets the headers of a stream's response and its status, 200. It sends nothing yet.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request) (*Response, error) {
	h := w.Header()
	setHeaders(h)
	if s.transport != nil && r.ProtoMajor == 1 && r.TLS == nil {
		// The response ends with its connection: net/http writes no chunks, so that the transport can
		// take the socket over and go on with plain bytes.
		h.Set("Transfer-Encoding", "identity")
	}
	isGzip := s.setEncoding(h, r)
	if err := s.extendDeadline(w); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return &Response{w: w, r: r, head: s.retryLine("\n\n"), isGzip: isGzip}, nil
}

func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
}

// setEncoding sets the headers of compression, and reports whether the stream is compressed.
func (s *Server) setEncoding(h http.Header, r *http.Request) (isGzip bool) {
	if !s.opts.Compress {
		return false
	}
	h.Add("Vary", "Accept-Encoding")
	if isGzip = acceptsGzip(r); isGzip {
		h.Set("Content-Encoding", "gzip")
	}
	return isGzip
}

// WriteHeader answers a HEAD request as the beginning of a stream.
func (s *Server) WriteHeader(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	s.setEncoding(w.Header(), r)
	w.WriteHeader(http.StatusOK)
}

// Flush sends the headers and the retry line. Call it if the first event will take long.
func (re *Response) Flush() error {
	if _, err := re.w.Write(re.encode(re.head)); err != nil {
		return err
	}
	re.head, re.hasGzipHeader = nil, true
	return flush(re.w)
}

// encode returns the first bytes, or the next ones, as the response contains them. Nothing is compressed: the first event
// has the id of a lease.
func (re *Response) encode(b []byte) []byte {
	switch {
	case !re.isGzip:
		return b
	case re.hasGzipHeader:
		return stored(b)
	}
	return append([]byte(gzipHeader), stored(b)...)
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
	st.Sync.Heartbeat = s.opts.Heartbeat.Milliseconds()
	if !s.streams.add() {
		st.Owner.Close(End{Reason: CloseServerClosed})
		return
	}
	if s.transport != nil && !s.isDrained() && s.transport.takeOver(re, st, began) {
		return
	}
	g := &goroutine{server: s, stream: st, w: re.w, buf: re.head, began: began, isGzip: re.isGzip, hasGzipHeader: re.hasGzipHeader}
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
			r.Header, r.URL, r.RequestURI = nil, &url.URL{}, "" // up to 64 KiB, which net/http would keep
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
	CloseStale        CloseReason = "stale"         // the log could not be read for Options.StaleLimit
	CloseExpired      CloseReason = "expired"       // the lease ended
	CloseRevoked      CloseReason = "revoked"       // the lease was revoked
	CloseDisconnected CloseReason = "disconnected"  // an operator ended the stream
	CloseServerClosed CloseReason = "server_closed" // the server closed before it had drained the stream
	CloseOther        CloseReason = "other"
)

// CloseReasons returns every reason.
func CloseReasons() []CloseReason {
	return []CloseReason{CloseClientGone, CloseSlow, CloseDraining, CloseStale, CloseExpired, CloseRevoked, CloseDisconnected, CloseServerClosed, CloseOther}
}

// endsLease reports whether err is the end of a lease: the client needs another token, or has to connect again.
func endsLease(err error) bool {
	switch reasonOf(err) {
	case CloseExpired, CloseRevoked, CloseDisconnected:
		return true
	}
	return false
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
