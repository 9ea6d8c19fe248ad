package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/db/streamstore"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/relay"
)

// OpenRedis opens a store in Redis or Valkey: the stream that pgherald relay writes, and what edges share. It does not connect yet.
func OpenRedis(opts StoreOptions) (*Store, error) {
	stream, err := streamstore.Open(opts.URL)
	if err != nil {
		return nil, err
	}
	shared := edgestore.New(stream.Client(), stream.Key)
	presence := edgestore.NewPresence(shared, edgestore.PresenceOptions{Report: opts.Report, Logger: opts.Logger})
	return &Store{
		Log: newRedisSource(stream, opts), Document: stream.Document,
		Tickets: edgestore.NewTickets(shared), Renewals: edgestore.NewRenewals(shared), Revocations: edgestore.NewRevocations(shared),
		Presence: presence, Listen: edgestore.NewControl(shared, opts.Logger).Listen,
	}, nil
}

// redisSource is the source in Redis. A read that blocks takes the place of the listener.
type redisSource struct {
	*relay.Log
	stream *streamstore.Store
	wake   chan struct{}
	retry  *backoff.Retry
	close  sync.Once

	mu      sync.Mutex
	err     error         // why wake-ups do not arrive; errNotAwaited at first
	changed chan struct{} // closed once err has changed
}

var _ source = (*redisSource)(nil)

// errNotAwaited says that the server has not waited for the stream yet.
var errNotAwaited = errors.New("the store of the edges has not answered yet")

const (
	minWaitPause = 100 * time.Millisecond
	maxWaitPause = time.Second
)

func newRedisSource(stream *streamstore.Store, opts StoreOptions) *redisSource {
	return &redisSource{
		Log: relay.NewLog(stream, relay.LogOptions{MaxEventBytes: opts.EventBytes}), stream: stream, wake: make(chan struct{}, 1),
		err: errNotAwaited, changed: make(chan struct{}),
		retry: backoff.New(backoff.Options{
			Min: minWaitPause, Max: maxWaitPause, Level: slog.LevelWarn, Logger: opts.Logger,
			Failing: "store disconnected, retrying", Recovered: "store connected again",
		}),
	}
}

// Wake receives a signal when the stream may have new entries.
func (s *redisSource) Wake() <-chan struct{} { return s.wake }

// Run waits for entries until ctx ends.
func (s *redisSource) Run(ctx context.Context) {
	s.note(ctx, s.stream.Wait(ctx, 0)) // the stream has some: this shows at once whether waiting is possible
	for s.retry.Wait(ctx) == nil {
		s.note(ctx, s.Wait(ctx))
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// note records the result of a wait.
func (s *redisSource) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.retry.Done(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitLive waits until the first wait has succeeded. Its error is that of the last one.
func (s *redisSource) WaitLive(ctx context.Context) error {
	for {
		s.mu.Lock()
		err, changed := s.err, s.changed
		s.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// Live returns nil while the store answers.
func (s *redisSource) Live() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return errors.New("the store of the edges does not answer")
	}
	return nil
}

// Close closes the connections. What waits for an answer returns.
func (s *redisSource) Close() {
	s.close.Do(func() { _ = s.stream.Close() }) // it fails only if it was closed
}
