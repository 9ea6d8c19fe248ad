package sse

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// staleness describes a server that cannot read the log. It is immutable.
type staleness struct {
	since time.Time // of the last successful read, by the clock of control frames
	// limit is the time after the last read, and after the beginning of a stream, at which streams end; 0 if
	// they go on.
	limit  time.Duration
	readAt int64 // of the last successful read; see Server.since
}

// reads says whether the log is read, and when that changes.
type reads struct {
	stale   atomic.Pointer[staleness] // nil while the log is read; changed under mu
	mu      sync.Mutex
	changed chan struct{} // closed at the next change; guarded by mu, as are the fields below
	reading context.Context
	stop    context.CancelFunc // ends reading
}

func (r *reads) init() {
	r.changed = make(chan struct{})
	r.reading, r.stop = context.WithCancel(context.Background())
}

func (r *reads) state() (*staleness, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stale.Load(), r.changed
}

func (r *reads) set(stale *staleness) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale.Store(stale)
	r.stop()
	if stale == nil {
		r.reading, r.stop = context.WithCancel(context.Background())
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// whileRead returns a context that ends when the server becomes stale, and has ended if it is.
func (r *reads) whileRead() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reading
}

// WhileRead returns a context that ends when ctx does or the server becomes stale: a read of the log may
// never return then. The caller must call stop.
func (s *Server) WhileRead(ctx context.Context) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancelCause(ctx)
	stopWaiting := context.AfterFunc(s.reads.whileRead(), func() { cancel(errStale) })
	return reading, func() {
		stopWaiting()
		cancel(nil)
	}
}

// Stale returns the time of the last successful read of the log, and false while the log is read.
func (s *Server) Stale() (lastRead time.Time, isStale bool) {
	stale := s.stale()
	if stale == nil {
		return time.Time{}, false
	}
	return stale.since, true
}

// stale returns nil while the log is read.
func (s *Server) stale() *staleness { return s.reads.stale.Load() }

// watchReads observes until ctx ends whether the feed reads the log, and makes every stream say so.
func (s *Server) watchReads(ctx context.Context) {
	tick := time.NewTicker(pacing.FreshnessInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.checkReads()
		}
	}
}

// checkReads compares what the streams say with the feed.
func (s *Server) checkReads() {
	fresh, before := s.opts.Feed.Freshness(), s.stale()
	switch {
	case fresh.IsStale == (before != nil):
		return
	case fresh.IsStale:
		stale := &staleness{since: s.opts.Now().Add(-fresh.Age), readAt: s.since(time.Now().Add(-fresh.Age))}
		if s.opts.HasAlternative() {
			stale.limit = s.opts.StaleLimit
		}
		s.reads.set(stale)
		s.opts.Logger.Warn("marked clients stale, the event log was not read", "since", stale.since, "ends_streams", stale.limit != 0)
	default:
		s.reads.set(nil)
		s.opts.Logger.Info("marked clients live again", "stale_ms", s.opts.Now().Sub(before.since).Milliseconds())
	}
	if s.transport != nil {
		s.transport.readsChanged()
	}
}

// IsStaleBeyondLimit reports whether the server ends streams because it has not read the log for too long,
// and clients may be better off elsewhere.
func (s *Server) IsStaleBeyondLimit() bool {
	stale := s.stale()
	return stale != nil && stale.limit != 0 && s.since(time.Now())-stale.readAt >= int64(stale.limit)
}

// endAt returns when a stream that began at the given time ends if the server stays stale, 0 if never. The
// time is random within pacing.StaleSpread, so that the clients do not all reconnect at once. A stream that began
// on a stale server lasts for the limit, too: if no server can read the log, its client does not go round.
func (s *staleness) endAt(began int64) int64 {
	if s.limit == 0 {
		return 0
	}
	return max(s.readAt, began) + int64(s.limit) + rand.Int64N(int64(pacing.StaleSpread))
}

// staleFrame returns the frame that says that the log cannot be read.
func (s *Server) staleFrame(sub *stream.Subscription, dst []byte, stale *staleness) []byte {
	return sub.Sync(dst, stream.Stale(stale.since), s.opts.Now())
}

// liveFrame returns the frame that says that the log is read again.
func (s *Server) liveFrame(sub *stream.Subscription, dst []byte) []byte {
	return sub.Sync(dst, stream.Sync{Mode: stream.ModeLive}, s.opts.Now())
}

// beatInterval returns the time between two heartbeats, or between two sync events that say stale instead.
func (s *Server) beatInterval(stale *staleness) time.Duration {
	if stale != nil {
		return min(s.opts.Heartbeat, pacing.StaleRepeat)
	}
	return s.opts.Heartbeat
}

const (
	// retryCatchUp is the time after which a catch-up that failed is tried again.
	retryCatchUp = time.Second
	// maxCatchUps is how often a catch-up is tried while the feed reads the log without an error.
	maxCatchUps = 5
)

// errStale interrupts a catch-up when the server becomes stale.
var errStale = errors.New("the log cannot be read")

// isLogError reports whether a catch-up ended because the log could not be read, so that it can be continued
// later.
func isLogError(err error) bool {
	var reset *stream.ResetError
	return err != nil && reasonOf(err) == CloseOther && !errors.As(err, &reset)
}
