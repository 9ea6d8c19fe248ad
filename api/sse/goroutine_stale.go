package sse

import (
	"context"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// tell writes that the server is stale, or no longer, unless the client knows. It returns a channel that is
// closed when that changes.
func (g *goroutine) tell() (<-chan struct{}, error) {
	stale, changed := g.server.reads.state()
	if g.saysStale == (stale != nil) || g.leaseEnded() {
		return changed, nil
	}
	g.saysStale = stale != nil
	g.beat.Reset(g.server.beatInterval(stale))
	g.stopEnd()
	if stale == nil {
		return changed, g.writeFrame(g.server.liveFrame(g.stream.Sub, nil))
	}
	g.startEnd(stale)
	return changed, g.writeFrame(g.server.staleFrame(g.stream.Sub, nil, stale))
}

// beginStale notes that the first event says stale.
func (g *goroutine) beginStale() {
	g.saysStale = true
	stale := g.server.stale()
	g.beat.Reset(g.server.beatInterval(stale))
	if stale != nil {
		g.startEnd(stale)
	}
}

// startEnd makes the stream end if the server stays stale.
func (g *goroutine) startEnd(stale *staleness) {
	if at := stale.endAt(g.server.since(g.began)); at != 0 {
		g.end = time.AfterFunc(time.Duration(at-g.server.since(time.Now())), func() { g.cancel(CloseStale) })
	}
}

// stopEnd makes the stream go on if the server was stale.
func (g *goroutine) stopEnd() {
	if g.end != nil {
		g.end.Stop()
		g.end = nil
	}
}

// catchUp catches up from the log. If the log cannot be read, it waits and goes on where it was.
func (g *goroutine) catchUp(ctx context.Context) error {
	for failed := 0; ; {
		if err := g.waitForReads(ctx); err != nil {
			return err
		}
		err := g.readLog(ctx)
		if !isLogError(err) || g.writeErr != nil || ctx.Err() != nil {
			return err
		}
		if g.server.opts.Feed.Err() != nil || g.server.stale() != nil {
			failed = 0
		} else if failed++; failed == maxCatchUps {
			return err
		}
		if err := g.wait(ctx, retryCatchUp); err != nil {
			return err
		}
	}
}

// readLog makes one attempt to catch up. It ends when the server becomes stale: the read may never end.
func (g *goroutine) readLog(ctx context.Context) error {
	reading, stop := g.server.WhileRead(ctx)
	defer stop()
	return g.stream.Sub.CatchUp(reading, stream.CatchUpClient{Emit: g.emit, Interrupt: g.interrupt})
}

// waitForReads waits while the server is stale, and writes that it is.
func (g *goroutine) waitForReads(ctx context.Context) error {
	for {
		reads, err := g.tell()
		if err != nil || ctx.Err() != nil || !g.saysStale {
			return err
		}
		if err := g.waitOnce(ctx, reads, pacing.StaleRepeat); err != nil {
			return err
		}
	}
}

// wait waits for d, or until the server becomes stale or ctx ends. Meanwhile it writes heartbeats.
func (g *goroutine) wait(ctx context.Context, d time.Duration) error {
	reads, err := g.tell()
	if err != nil {
		return err
	}
	return g.waitOnce(ctx, reads, d)
}

// waitOnce waits for d, for a heartbeat, which it writes, or until reads is closed or ctx ends.
func (g *goroutine) waitOnce(ctx context.Context, reads <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-reads:
	case <-timer.C:
	case <-g.beat.C:
		return g.heartbeat()
	case <-ctx.Done():
	}
	return nil
}
