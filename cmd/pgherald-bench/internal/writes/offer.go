package writes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
)

// ratePerEmitter is the highest rate, in events per second, for one writing connection. One commit at a
// time reaches it on any disk that is not very slow.
const ratePerEmitter = 500

// maxEmitterRate limits the rate that adds emitters, and so their number, to 21.
const maxEmitterRate = 10_000

// Offer describes events to publish at a fixed rate. They are numbered from First.
type Offer struct {
	First    int64         `json:"first"`
	Rate     float64       `json:"rate"` // events per second
	Duration time.Duration `json:"duration"`
	Bytes    int           `json:"bytes"`          // size of a frame
	Max      int           `json:"max,omitempty"`  // number of events; 0: Rate × Duration
	Rows     int           `json:"rows,omitempty"` // events of each transaction; 0: 1
}

// Published is the result of an offer.
type Published struct {
	Last int64 `json:"last"` // number of the last event
}

// Emit publishes the event with number n.
type Emit func(ctx context.Context, n int64) error

// Publish emits the events of an offer with as many emitters as its rate needs. An event is never
// emitted before its time. Emitters that are late continue without waiting, for at most one and a half
// times the duration of the offer; the remaining events are not emitted. The first error ends all emitters.
func Publish(ctx context.Context, o Offer, open func(context.Context) (emit Emit, closeEmitter func(), err error)) (Published, error) {
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := schedule{Offer: o, began: make(chan struct{})}
	s.next.Store(o.First)
	emitters := 1 + int(min(o.Rate, maxEmitterRate)/ratePerEmitter)
	errs := make([]error, emitters)
	var running, opened sync.WaitGroup
	opened.Add(emitters)
	for i := range errs {
		running.Go(func() {
			emit, closeEmitter, err := open(ctx)
			opened.Done()
			if err == nil {
				defer closeEmitter()
				err = s.run(ctx, emit)
			}
			if err != nil && ctx.Err() == nil { // otherwise it follows from another error
				errs[i] = err
				cancel()
			}
		})
	}
	opened.Wait()
	s.start = time.Now()
	close(s.began)
	running.Wait()
	return Published{Last: s.last()}, errors.Join(append(errs, parent.Err())...)
}

// schedule assigns each number of an offer to one emitter and to a time.
type schedule struct {
	Offer
	began chan struct{} // closed when start is set
	start time.Time
	next  atomic.Int64
}

// end returns the number after the last event of the offer.
func (s *schedule) end() int64 {
	if s.Max > 0 {
		return s.First + int64(s.Max)
	}
	return s.First + max(1, int64(s.Rate*s.Duration.Seconds()))
}

// last returns the number of the last emitted event.
func (s *schedule) last() int64 { return min(s.next.Load(), s.end()) - 1 }

// run emits the next free number until none is left, the time is over or ctx ends. Unless ctx ends, a taken
// number is always emitted, so there are no gaps.
func (s *schedule) run(ctx context.Context, emit Emit) error {
	<-s.began
	for time.Since(s.start) <= s.Duration+s.Duration/2 {
		n := s.next.Add(1) - 1
		if n >= s.end() {
			return nil
		}
		at := s.start.Add(time.Duration(float64(n-s.First) / s.Rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			Pause(ctx, wait)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := emit(ctx, n); err != nil {
			return fmt.Errorf("publish event %d: %w", n, err)
		}
	}
	return nil
}

// Pause sleeps for d or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	_ = backoff.Sleep(ctx, d)
}
