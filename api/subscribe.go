package api

import (
	"context"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	// subscribeAttempts is how often a stream tries to read the log for its cursor while the feed can read it.
	subscribeAttempts = 5
	// subscribeRetry is the time between two of these attempts.
	subscribeRetry = 250 * time.Millisecond
)

// subscription subscribes to the feed after the cursor. If malformed is not nil, the subscription begins with a reset. If the
// log has to be read and cannot be, the subscription begins stale: its stream waits for the log, because an EventSource never
// returns after an error. subscription returns an error when ctx ends, the API begins to drain, or the log cannot be read
// although the feed does.
func (a *API) subscription(ctx context.Context, c stream.Cursor, malformed error, f stream.Filter) (*stream.Subscription, stream.Sync, error) {
	if malformed != nil {
		sub, sync := a.config.Feed.SubscribeReset(f, stream.ResetMalformed)
		return sub, sync, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.draining, cancel)()
	for failed := 0; ; {
		sub, sync, err := a.subscribe(ctx, c, f)
		if err == nil || ctx.Err() != nil {
			return sub, sync, err
		}
		if lastRead, isStale := a.streams.Stale(); isStale {
			sync := stream.Stale(lastRead)
			sync.Repeats = c.IsCut()
			return a.config.Feed.SubscribeUnchecked(c, f), sync, nil
		}
		if failed++; failed == subscribeAttempts && a.config.Feed.Err() == nil {
			return nil, stream.Sync{}, err
		}
		a.pauseWhileRead(ctx, subscribeRetry)
	}
}

// subscribe makes one attempt, which ends when the server becomes stale.
func (a *API) subscribe(ctx context.Context, c stream.Cursor, f stream.Filter) (*stream.Subscription, stream.Sync, error) {
	ctx, stop := a.streams.WhileRead(ctx)
	defer stop()
	return a.config.Feed.Subscribe(ctx, c, f)
}

// pauseWhileRead waits for d, or until ctx ends or the server becomes stale.
func (a *API) pauseWhileRead(ctx context.Context, d time.Duration) {
	ctx, stop := a.streams.WhileRead(ctx)
	defer stop()
	_ = backoff.Sleep(ctx, d) // the next attempt sees whether ctx has ended
}
