package sse

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// Server writes streams. Make it with New, and Close it.
type Server struct {
	opts    Options
	engine  engine // nil: a goroutine for each stream
	open    gate   // the streams that are open
	fresh   sharedFreshness
	closing sync.Once
	ctx     context.Context
	cancel  context.CancelCauseFunc // ends every stream at once

	draining context.Context // done when streams are to leave
	drain    context.CancelFunc
	leaveBy  atomic.Int64 // when the last stream is told to leave, 0 if none is; see since

	start time.Time // what moments are counted from
}

// engine takes streams over from net/http.
type engine interface {
	// take takes over the connection of a response that has begun, and then serves the stream
	// until it ends. False means that it cannot, and has touched nothing.
	take(re *Response, st *Stream, began time.Time) bool
	// stalled is how many clients' sockets are full, and how many clients are reading the log.
	stalled() (full, behind int)
	// drain makes every stream choose when to leave.
	drain()
	// end ends every stream at once, and those that come later. It returns without waiting.
	end()
	// close returns when nothing runs any more. Every stream must have ended.
	close()
}

// New returns a server of streams. It fails only if the system refuses what it needs.
func New(opts Options) (*Server, error) {
	if opts.Schedule == nil {
		opts.Schedule = pacing.NewSchedule()
	}
	s := &Server{opts: opts, start: time.Now()}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.draining, s.drain = context.WithCancel(context.Background())
	s.fresh.freshness = freshness{feed: opts.Feed, meter: opts.Meter, mark: opts.Feed.Mark()}
	if opts.Goroutines {
		return s, nil
	}
	var err error
	s.engine, err = newEngine(s)
	return s, err
}

// Response is a stream's response that has begun.
type Response struct {
	w    http.ResponseWriter
	r    *http.Request
	head []byte // what comes before the first event and was not sent yet
}

// Begin begins a stream's response. Nothing is sent by that yet.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request) (*Response, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if s.engine != nil && r.ProtoMajor == 1 && r.TLS == nil {
		// Ends with the connection: net/http adds no chunks, and whoever takes the socket over
		// goes on writing plain bytes.
		h.Set("Transfer-Encoding", "identity")
	}
	if err := s.extend(w); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return &Response{w: w, r: r, head: s.retry("\n\n")}, nil
}

// Flush sends the headers and the delay after which the client may come again: for a client that
// must wait for the rest.
func (re *Response) Flush() error {
	if _, err := re.w.Write(re.head); err != nil {
		return err
	}
	re.head = nil
	return http.NewResponseController(re.w).Flush()
}

// extend gives the client the write time-out, from now on, for what is written next.
func (s *Server) extend(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout))
}

// Serve serves the stream on a response that Begin has begun. It returns when the stream has ended
// or somebody else has taken it over, an engine or Shallow; then Ended tells of its end.
func (s *Server) Serve(re *Response, st *Stream) {
	began := time.Now()
	if !s.open.enter() {
		st.Ended(End{Reason: CloseServerClosed})
		return
	}
	if s.engine == nil || s.left() || !s.engine.take(re, st, began) {
		g := &goroutine{server: s, stream: st, w: re.w, buf: re.head, began: began}
		if outside, ok := re.w.(*shallow); ok {
			g.w, outside.stream = outside.ResponseWriter, g
			return
		}
		g.serve(re.r.Context())
	}
}

// over tells that a stream has ended.
func (s *Server) over(ended func(End), e End) {
	ended(e)
	s.open.leave()
}

// Drain tells every stream, spread at random over the given time, to resume elsewhere, and ends
// it. Those that come
// later choose a moment of what is left of it. It returns without waiting.
func (s *Server) Drain(within time.Duration) {
	if !s.leaveBy.CompareAndSwap(0, s.since(time.Now().Add(within))) {
		return
	}
	s.drain()
	if s.engine != nil {
		s.engine.drain()
	}
}

// left reports whether all who were there when draining began are told to leave by now.
func (s *Server) left() bool {
	by := s.leaveBy.Load()
	return by != 0 && s.since(time.Now()) >= by
}

// Stalled is how many clients do not take what is due at the moment, and how many read from the log. It
// is at most a second old, and does not know of streams that are served with a goroutine each.
func (s *Server) Stalled() (full, behind int) {
	if s.engine == nil {
		return 0, 0
	}
	return s.engine.stalled()
}

// Shutdown waits until every stream has ended, or else until ctx does.
func (s *Server) Shutdown(ctx context.Context) {
	select {
	case <-s.open.empty():
	case <-ctx.Done():
	}
}

// Close ends every stream at once, and waits for that. A stream that is served later ends as it
// begins. Only the first call does something.
func (s *Server) Close() { s.closing.Do(s.close) }

func (s *Server) close() {
	s.open.shut()
	s.cancel(CloseServerClosed)
	if s.engine == nil {
		<-s.open.empty()
		return
	}
	s.engine.end()
	<-s.open.empty()
	s.engine.close()
}

// since is a moment as a number, in nanoseconds, which is above 0. It knows nothing of the time of day: that is
// set now and then, and must neither hold a stream back nor end it.
func (s *Server) since(moment time.Time) int64 { return int64(moment.Sub(s.start)) + 1 }

// leaveAt chooses when a stream that is open now leaves a server that drains.
func (s *Server) leaveAt(now time.Time) time.Time {
	left := time.Duration(s.leaveBy.Load() - s.since(now))
	if left <= 0 {
		return now
	}
	return now.Add(rand.N(left))
}

func (s *Server) retry(end string) []byte {
	b := append([]byte("retry: "), strconv.Itoa(s.opts.Retry())...)
	return append(b, end...)
}

// farewell is the last frame of a stream that the server ends; nil if it says nothing.
func (s *Server) farewell(sub *stream.Subscription, why error) []byte {
	switch {
	case errors.Is(why, CloseDraining):
		return sub.Sync(s.retry("\n"), stream.Sync{Mode: stream.ModeDraining}, s.opts.Now())
	case errors.Is(why, CloseExpired):
		return sub.Sync(nil, stream.Sync{Mode: stream.ModeExpired}, s.opts.Now())
	}
	return nil
}
