package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// writersPer is how many events a second one writing connection is given at most: so many that
// one commit at a time does it on any disk that is not very slow.
const writersPer = 500

// mostRate bounds the writing connections.
const mostRate = 10_000

// inserter returns a publisher that inserts a row for each event, each in a transaction of its own.
func (l *lab) inserter(sql string, overhead int) func(context.Context, offer) (published, error) {
	return func(ctx context.Context, o offer) (published, error) {
		pad := strings.Repeat("x", max(0, o.Bytes-overhead))
		return publish(ctx, o, func(ctx context.Context) (emit, func(), error) {
			conn, err := pgx.Connect(ctx, l.url)
			if err != nil {
				return nil, nil, fmt.Errorf("connect to publish: %w", err)
			}
			insert := func(ctx context.Context, n int64) error {
				_, err := conn.Exec(ctx, sql, n, pad)
				return err
			}
			return insert, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
		})
	}
}

// emit publishes the event of this number.
type emit func(ctx context.Context, n int64) error

// publish emits events at the rate of the offer, with as many emitters as that takes. One that is
// late does not wait: it makes up for the lost time, but not beyond one and a half times the
// offer's duration.
func publish(ctx context.Context, o offer, open func(context.Context) (emit, func(), error)) (published, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := pace{offer: o, began: make(chan struct{})}
	p.next.Store(o.First)
	writers := 1 + int(min(o.Rate, mostRate)/writersPer)
	errs := make([]error, writers)
	var running, opened sync.WaitGroup
	opened.Add(writers)
	for i := range errs {
		running.Go(func() {
			do, closeIt, err := open(ctx)
			opened.Done()
			if err == nil {
				defer closeIt()
				err = p.run(ctx, do)
			}
			if errs[i] = err; err != nil {
				cancel()
			}
		})
	}
	opened.Wait()
	p.start = time.Now()
	close(p.began)
	running.Wait()
	return published{Last: p.last()}, errors.Join(errs...)
}

// pace says when which event is due.
type pace struct {
	offer
	began chan struct{} // closed when start is set
	start time.Time
	next  atomic.Int64
}

// end is the number behind the last event of the offer.
func (p *pace) end() int64 {
	if p.Most > 0 {
		return p.First + int64(p.Most)
	}
	return p.First + max(1, int64(p.Rate*p.Lasting.Seconds()))
}

// last is the number of the last event that was emitted.
func (p *pace) last() int64 { return min(p.next.Load(), p.end()) - 1 }

// run emits what it draws, so that no number is left out.
func (p *pace) run(ctx context.Context, do emit) error {
	<-p.began
	for time.Since(p.start) <= p.Lasting+p.Lasting/2 {
		n := p.next.Add(1) - 1
		if n >= p.end() {
			return nil
		}
		due := p.start.Add(time.Duration(float64(n-p.First) / p.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			pause(ctx, wait)
		}
		if err := do(ctx, n); err != nil {
			return fmt.Errorf("publish event %d: %w", n, err)
		}
	}
	return nil
}
