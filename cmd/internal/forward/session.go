package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

// saveInterval is the least time between two writes of the position.
const saveInterval = 200 * time.Millisecond

// maxRetry is the longest time between two attempts to reach the database.
const maxRetry = 10 * time.Second

// errLapsed says that the lease could not be extended in time: another process may be the runner.
var errLapsed = errors.New("extend the lease: the database did not answer in time")

// session is the time in which this process is the runner of the consumer.
type session struct {
	config   *Config
	log      stream.Log
	wake     <-chan struct{}
	encoder  *stream.Encoder
	given    *given // for which the encoder is right; of the goroutine that stores the position
	pool     *pgxpool.Pool
	sink     sink
	consumer *consumers.Consumer
	logger   *slog.Logger

	window *window
	lanes  *lanes
	until  atomic.Pointer[time.Time] // the end of the lease, by this process's clock

	reading *backoff.Retry // of the log
	outage  *backoff.Retry // of the receiver, for the lines of the log
	parking *backoff.Retry // of parking, likewise
}

// newSession returns the session of a consumer that this process has taken, with a lease until that time.
func (r *runner) newSession(ctx context.Context, c *consumers.Consumer, until time.Time, at stream.Cursor, owed string) (*session, error) {
	parked, err := c.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	encoder, given, err := r.encoder(ctx)
	if err != nil {
		return nil, err
	}
	retry := func(text, recovered string) *backoff.Retry {
		return backoff.New(backoff.Options{Min: minPause, Max: maxRetry, Failing: text, Recovered: recovered, Level: slog.LevelWarn, Logger: r.config.Logger})
	}
	lanes := newLanes(r.config.Batch, r.config.Parallel, parked)
	s := &session{
		config: r.config, log: r.log, wake: r.listener.Wake(), encoder: encoder, given: given, pool: r.logPool, sink: r.sink, consumer: c, logger: r.config.Logger,
		window: newWindow(at, owed, lanes.hold), lanes: lanes,
		reading: retry("log not read, trying again", "log read again"),
		outage:  retry("receiver does not acknowledge, trying again", "receiver acknowledges again"),
		parking: retry("event not parked, trying again", "event parked"),
	}
	s.until.Store(&until)
	return s, nil
}

// run forwards until ctx ends or this process is the runner no more. Requests that are on their way when ctx ends have time to be
// acknowledged.
func (s *session) run(ctx context.Context) error {
	take, stopTaking := context.WithCancelCause(ctx)
	working, stopWorking := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWorking(nil)
	stop := context.AfterFunc(take, func() { time.AfterFunc(min(s.config.Timeout, s.config.Lease/2), func() { stopWorking(ctx.Err()) }) })
	defer stop()
	fail := func(err error) {
		if err != nil {
			stopTaking(err)
			stopWorking(err)
		}
	}
	s.config.Metrics.session.Store(s)
	defer s.config.Metrics.session.Store(nil)

	var moving, saving sync.WaitGroup
	moved := make(chan struct{})
	moving.Go(func() { fail(s.read(take)) })
	for range s.config.Parallel {
		moving.Go(func() { fail(s.work(working, take)) })
	}
	saving.Go(func() { fail(s.save(working, moved)) })
	moving.Wait()
	close(moved)
	saving.Wait()
	if err := context.Cause(take); !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

// save stores the position when it moves, and extends the lease. It stores the last position once moved is closed.
func (s *session) save(ctx context.Context, moved <-chan struct{}) error {
	var stored stream.Cursor
	var storedOwed string
	var took time.Duration // of the last write
	deadline := *s.until.Load()
	looked := time.Now()
	for isLast := false; ; {
		position, owed, changed := s.window.state()
		if isLast || !position.Equal(stored) || owed != storedOwed || time.Until(deadline) < 2*s.config.Lease/3 {
			began := time.Now()
			err := s.store(ctx, position, owed, deadline)
			took = time.Since(began)
			switch {
			case err == nil:
				stored, storedOwed, deadline = position, owed, began.Add(s.config.Lease)
				s.until.Store(new(deadline))
			case errors.Is(err, consumers.ErrLost), errors.Is(err, errChanged), errors.Is(err, errSpec):
				return err
			case ctx.Err() != nil:
				return nil
			case !time.Now().Before(deadline):
				return fmt.Errorf("%w: %w", errLapsed, err)
			}
		}
		if isLast {
			return nil
		}
		if time.Since(looked) >= s.config.Lease/3 {
			looked = time.Now()
			s.lookForReplays(ctx)
		}
		isLast = s.pause(ctx, max(saveInterval, 4*took), changed, moved)
	}
}

// pause waits for the interval, and then until the position may have moved or the lease has to be extended. It returns true once moved is
// closed.
func (s *session) pause(ctx context.Context, interval time.Duration, changed, moved <-chan struct{}) (isLast bool) {
	timer := time.NewTimer(min(interval, s.config.Lease/4))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-moved:
		return true
	case <-ctx.Done():
		return true
	}
	timer.Reset(s.config.Lease / 4)
	select {
	case <-timer.C:
	case <-changed:
	case <-moved:
		return true
	case <-ctx.Done():
		return true
	}
	return false
}

func (s *session) store(ctx context.Context, position stream.Cursor, owed string, deadline time.Time) error {
	if ctx.Err() != nil { // what was acknowledged in the end
		ctx, deadline = context.WithoutCancel(ctx), earlier(deadline, time.Now().Add(endTimeout))
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := s.checkSpec(ctx); err != nil {
		return err
	}
	since, text := s.failing()
	return s.consumer.Save(ctx, consumers.Progress{
		Next: position.Next(), Holes: position.Holes(), Reset: owed, FailingSince: since, Failure: text,
	})
}

// failing returns since when the receiver has acknowledged nothing, and the last failure; zero if the last request was acknowledged, or all
// that it has refused is parked.
func (s *session) failing() (since time.Time, failure string) {
	if events, _ := s.window.load(); events == 0 {
		return time.Time{}, ""
	}
	return s.lanes.outage()
}

// hasLapsed reports whether the lease has ended: then another process may be the runner. This one may have stood still.
func (s *session) hasLapsed() bool { return !time.Now().Before(*s.until.Load()) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// lookForReplays makes the lanes due that an operator wants to be sent again.
func (s *session) lookForReplays(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Lease/3)
	defer cancel()
	found, err := s.consumer.Lanes(ctx)
	if err != nil {
		s.logger.Debug("replays not looked for", "error", db.Explain(err))
		return
	}
	for name, isDue := range found {
		if isDue {
			s.lanes.replay(name)
		}
	}
}
