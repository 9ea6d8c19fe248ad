package api_test

import (
	"context"
	"sync/atomic"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// slowLog is a log that, once slow is set, answers the next Read of a cursor from the future when
// it is told to, and not before. Other reads are the feed's own.
type slowLog struct {
	*streamtest.Log
	slow    atomic.Bool
	reading chan struct{} // closed when it was asked
	proceed chan struct{} // closed when it may answer
}

func (l *slowLog) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	if from.Next() < 1<<60 || !l.slow.CompareAndSwap(true, false) {
		return l.Log.Read(ctx, from)
	}
	close(l.reading)
	select {
	case <-l.proceed:
		return l.Log.Read(ctx, from)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
