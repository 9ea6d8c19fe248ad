package notify

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/pacing"
)

// listenerStep names a moment of a listener's connection. The steps separate the intervals in which a writer's
// transaction can act.
type listenerStep string

const (
	stepConnected listenerStep = "connected" // has a session, without the lock
	stepShared    listenerStep = "shared"    // shares the lock, and does not listen yet
	stepListening listenerStep = "listening" // listens, and has not drawn the boundary
	stepBoundary  listenerStep = "boundary"  // has drawn it, and has not looked for open transactions
	stepDraining  listenerStep = "draining"  // has looked; transactions may be open that send no NOTIFY
	stepDrained   listenerStep = "drained"   // the last of these has ended
)

// runDrains drains after each new connection, until ctx ends. After an error it drains again, with a new boundary, which
// covers that of the drain before.
func (l *Listener) runDrains(ctx context.Context) {
	retry := backoff.New(backoff.Options{
		Min: minBackoff, Max: l.opts.MaxBackoff, Level: slog.LevelWarn, Logger: l.opts.Logger,
		Failing:   "listener cannot look for open transactions, events may be a second late, retrying",
		Recovered: "listener can look for open transactions again",
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.drainWanted:
		}
		for {
			err := l.drain(ctx)
			retry.Done(err)
			if err == nil {
				break
			}
			if backoff.SleepUntil(ctx, retry.Remaining(), l.drainWanted) != nil {
				return
			}
		}
	}
}

// drain wakes the reader until every transaction has ended that may have found ListenerLock free before this connection
// shared it. Such a transaction sends no NOTIFY. It had its number before it looked, and so before the boundary, which
// is drawn after the lock was shared. It returns nil when all have ended, when ctx has, or when another drain is wanted:
// one open transaction must not keep the next connection from being drained, whose boundary is later and so covers this one.
func (l *Listener) drain(ctx context.Context) error {
	l.onStep(stepListening)
	var boundary uint64
	if err := l.query(ctx, &boundary, `select pg_current_xact_id()`); err != nil {
		return ignoreEnd(ctx, fmt.Errorf("begin a transaction: %w", err))
	}
	l.onStep(stepBoundary)
	open, began := math.MaxInt, time.Now()
	for {
		var text string
		if err := l.query(ctx, &text, `select pg_current_snapshot()::text`); err != nil {
			return ignoreEnd(ctx, fmt.Errorf("read which transactions run: %w", err))
		}
		snapshot, err := db.ParseSnapshot(text)
		if err != nil {
			return err
		}
		left := countBelow(snapshot.Running, boundary)
		if left < open { // some have ended; none can have begun
			open = left
			signal(l.wake, struct{}{})
		}
		if open == 0 {
			l.onStep(stepDrained)
			return nil
		}
		l.onStep(stepDraining)
		if len(l.drainWanted) > 0 {
			return nil
		}
		if backoff.Sleep(ctx, pacing.DrainInterval(pacing.MaxPollInterval, time.Since(began))) != nil {
			return nil
		}
	}
}

// ignoreEnd returns nil if ctx has ended, and err otherwise.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// countBelow returns how many of the transactions have a number below the boundary.
func countBelow(running []uint64, boundary uint64) (n int) {
	for _, xid := range running {
		if xid < boundary {
			n++
		}
	}
	return n
}
