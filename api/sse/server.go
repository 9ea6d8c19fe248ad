package sse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// Options configure a Server. StaleLimit, HasAlternative, Retry, Schedule and Goroutines are optional, all other
// fields are required.
type Options struct {
	Feed *stream.Feed
	// Heartbeat is the time between two heartbeats.
	Heartbeat time.Duration
	// WriteTimeout is the time for which a client may accept no bytes before it is closed as slow.
	WriteTimeout time.Duration
	// StaleLimit is the time without a read of the log after which the server ends its streams, if
	// HasAlternative says that they may be better off at another server; 0 means never. nil says no.
	StaleLimit     time.Duration
	HasAlternative func() bool
	// Now is the clock of control frames.
	Now func() time.Time
	// Retry returns the delay in milliseconds after which a client reconnects. If nil, it is random
	// between 1 and 4 s, so that clients do not all reconnect at once.
	Retry func() int
	// Compress sends gzip to the clients that accept it. Only public events are compressed.
	Compress bool
	Meter    Meter
	Logger   *slog.Logger
	// Schedule receives the times of the fan-out passes; nil discards them.
	Schedule *pacing.Schedule
	// Goroutines serves every stream on a goroutine, even where the system has epoll.
	Goroutines bool
}

// Server writes streams. Make it with New, run it with Run, and Close it. It is safe for concurrent
// use.
type Server struct {
	opts      Options
	transport transport // nil: the goroutine transport serves every stream
	streams   streamCount
	latency   sharedWriteLatency
	reads     reads
	// compressors and passages are for the streams that goroutines serve.
	compressors compressors
	passages    freshPassages
	start       time.Time // see since
	running     sync.Once

	ctx    context.Context // done when all streams must end at once
	cancel context.CancelCauseFunc

	draining context.Context // done when the server drains
	drain    context.CancelFunc
	drainBy  atomic.Int64 // the end of the drain, 0 before it; see since
}

// transport serves streams on sockets that it has taken away from net/http: the epoll transport.
type transport interface {
	// takeOver takes the connection of a response that has begun, and serves the stream until it
	// ends. It returns false if it cannot, and has then changed nothing.
	takeOver(re *Response, st *Stream, began time.Time) bool
	// stalled returns two numbers of clients: those whose sockets are full, and those that catch up.
	stalled() (full, catchingUp int)
	// takenOver returns the number of sockets that it has taken and not closed yet.
	takenOver() int
	// drain makes every stream choose a time within the drain at which it ends.
	drain()
	// readsChanged makes every stream say that the log cannot be read, or that it is read again.
	readsChanged()
	// closeStreams ends every stream at once, also those that are taken over later. It does not wait.
	closeStreams()
	// run starts the transport's goroutines.
	run()
	// stop ends these goroutines, waits for them, and frees the transport's resources. No stream may be
	// open.
	stop()
}

// New returns a server, which writes once Run is called. It returns an error if the operating system has
// no resources for it. Close frees them.
func New(opts Options) (*Server, error) {
	if opts.Schedule == nil {
		opts.Schedule = pacing.NewSchedule()
	}
	if opts.HasAlternative == nil {
		opts.HasAlternative = func() bool { return false }
	}
	s := &Server{opts: opts, start: time.Now()}
	s.reads.init()
	s.compressors = newCompressors(runtime.GOMAXPROCS(0))
	s.passages.compressors = s.compressors
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.draining, s.drain = context.WithCancel(context.Background())
	s.latency.writeLatency = newWriteLatency(opts)
	if opts.Goroutines {
		return s, nil
	}
	var err error
	s.transport, err = newTransport(s)
	return s, err
}

// Run writes streams until ctx ends or Close is called. Then it closes the open streams, and returns
// when every goroutine that it started has ended. A stream that is served later is closed at once.
// Further calls wait for the first one.
func (s *Server) Run(ctx context.Context) { s.running.Do(func() { s.run(ctx) }) }

func (s *Server) run(ctx context.Context) {
	if s.transport != nil {
		s.transport.run()
		defer s.transport.stop()
	}
	var watching sync.WaitGroup
	watching.Go(func() { s.watchReads(s.ctx) })
	defer watching.Wait()
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.closeStreams()
	if s.transport != nil {
		s.transport.closeStreams()
	}
	<-s.streams.none()
}

// Close ends every stream at once, frees the server's resources, and waits for Run. It may be called
// without Run; further calls do nothing.
func (s *Server) Close() {
	s.closeStreams()
	s.Run(s.ctx)
}

func (s *Server) closeStreams() {
	s.streams.close()
	s.cancel(CloseServerClosed)
}

// Drain ends every stream with a sync event of mode draining, at random times within the given time. A
// stream that opens later chooses a time within the rest. Drain does not wait. Further calls do nothing.
func (s *Server) Drain(within time.Duration) {
	if !s.drainBy.CompareAndSwap(0, s.since(time.Now().Add(within))) {
		return
	}
	s.drain()
	if s.transport != nil {
		s.transport.drain()
	}
}

// Wait returns when no stream is open or ctx ends.
func (s *Server) Wait(ctx context.Context) {
	select {
	case <-s.streams.none():
	case <-ctx.Done():
	}
}

// Stalled returns two numbers of clients: those whose sockets are full, and those that catch up from the
// log. The numbers are at most a second old, and do not count streams that goroutines serve.
func (s *Server) Stalled() (full, catchingUp int) {
	if s.transport == nil {
		return 0, 0
	}
	return s.transport.stalled()
}

// TakenOver returns the number of open sockets that were taken away from net/http.
func (s *Server) TakenOver() int {
	if s.transport == nil {
		return 0
	}
	return s.transport.takenOver()
}

// since returns the nanoseconds from the server's start to the moment, plus 1. It uses the monotonic
// clock, so that setting the system's clock neither delays nor ends a stream.
func (s *Server) since(moment time.Time) int64 { return int64(moment.Sub(s.start)) + 1 }

// drainTime returns a random time within the rest of the drain, at which a stream ends.
func (s *Server) drainTime(now time.Time) time.Time {
	left := time.Duration(s.drainBy.Load() - s.since(now))
	if left <= 0 {
		return now
	}
	return now.Add(rand.N(left))
}

// isDrained reports whether the server drains and the time of the drain has passed.
func (s *Server) isDrained() bool {
	by := s.drainBy.Load()
	return by != 0 && s.since(time.Now()) >= by
}

// windowEnd returns the end of the batch window that contains now. Windows of one length begin and end
// at the same times for all clients, so that one batch serves all of them.
func (s *Server) windowEnd(now time.Time, window time.Duration) time.Time {
	left := window - time.Duration(s.since(now))%window
	return now.Add(left)
}

// retryLine returns a retry field, followed by end.
func (s *Server) retryLine(end string) []byte {
	delay := 1000 + rand.IntN(3000)
	if s.opts.Retry != nil {
		delay = s.opts.Retry()
	}
	return fmt.Appendf(nil, "retry: %d%s", delay, end)
}

// resetFrame returns the frame of a reset, and counts and logs the reset.
func (s *Server) resetFrame(sub *stream.Subscription, why *stream.ResetError) []byte {
	s.opts.Meter.Reset(why.Reason)
	s.opts.Logger.Info("stream reset", "reason", why.Reason)
	return sub.Sync(nil, stream.Sync{Mode: stream.ModeReset, Reason: why.Reason}, s.opts.Now())
}

// lastFrame returns the last frame of a stream that the server ends, nil if there is none.
func (s *Server) lastFrame(sub *stream.Subscription, reason error) []byte {
	switch {
	case errors.Is(reason, CloseDraining):
		return sub.Sync(s.retryLine("\n"), stream.Sync{Mode: stream.ModeDraining}, s.opts.Now())
	case errors.Is(reason, CloseStale):
		if stale := s.stale(); stale != nil {
			return s.staleFrame(sub, s.retryLine("\n"), stale)
		}
		return sub.Sync(s.retryLine("\n"), stream.Sync{Mode: stream.ModeDraining}, s.opts.Now()) // read again just now
	case endsLease(reason):
		return sub.Sync(nil, stream.Sync{Mode: stream.ModeExpired}, s.opts.Now())
	}
	return nil
}

// ended closes the owner of a stream that has ended.
func (s *Server) ended(owner Owner, e End) {
	owner.Close(e)
	s.streams.remove()
}

// streamCount counts the open streams. Unlike with a sync.WaitGroup, a caller can wait while streams are
// added, and the count can be closed. The zero value is ready to use.
type streamCount struct {
	mu       sync.Mutex
	open     int
	isClosed bool
	waiting  []chan struct{} // closed once open is 0
}

// add counts a stream; the caller must call remove. It returns false after close.
func (c *streamCount) add() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return false
	}
	c.open++
	return true
}

func (c *streamCount) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open > 0 {
		return
	}
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = nil
}

// close makes add return false.
func (c *streamCount) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isClosed = true
}

// none returns a channel that is closed at the next moment at which no stream is open.
func (c *streamCount) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := make(chan struct{})
	if c.open == 0 {
		close(w)
	} else {
		c.waiting = append(c.waiting, w)
	}
	return w
}
