package stream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// The listener has its connection and passes on every wake-up, but the log has none.
func TestReaderBacksOff(t *testing.T) {
	backofftest.Check(t, 260, func(t *testing.T) backofftest.Outage {
		log := streamtest.NewLog("e1")
		feed := newFeed(t, log, stream.FeedOptions{})
		log.Break(errors.New("connection refused by the test"))
		before := log.Reads
		wakeUps := make(chan struct{}, 1)
		wake := func() {
			select {
			case wakeUps <- struct{}{}:
			default:
			}
		}
		run := func(ctx context.Context) { feed.Run(ctx, wakeUps) }
		return backofftest.Outage{Run: run, Wake: wake, Attempts: func() int { return log.Reads - before }}
	})
}
