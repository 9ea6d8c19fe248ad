package sse

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// goroutine serves one stream on the goroutine of its request. Only that goroutine writes to the
// client.
type goroutine struct {
	server   *Server
	stream   *Stream
	w        http.ResponseWriter
	began    time.Time
	beat     *time.Ticker
	buf      []byte
	bytes    int64  // written
	metered  uint64 // events that the meter has counted
	writeErr error  // of the last write
	cancel   context.CancelCauseFunc

	isGzip, hasGzipHeader bool // whether the stream is compressed, and has its header

	saysStale bool        // the last sync event said stale
	end       *time.Timer // ends the stream if the server stays stale; nil if not

	mu            sync.Mutex // guards the fields below
	isInterrupted bool       // the client must give up what it keeps in memory
	hasEnded      bool       // w can no longer be used
}

// serve writes until the stream ends. serve and run call other functions for work that needs much stack:
// only their own frames stay on the stack of an idle stream, and the runtime halves a stack only if
// three quarters of it are free.
func (g *goroutine) serve(request context.Context) {
	ctx, stop := g.watch(request)
	defer stop()
	err := g.run(ctx)
	g.mu.Lock()
	g.hasEnded = true
	g.mu.Unlock()
	g.finish(ctx, err)
}

// watch returns a context that ends when the stream must end. Its cause is a CloseReason, unless the
// request's context ended it. The caller must call stop.
func (g *goroutine) watch(request context.Context) (ctx context.Context, stop func()) {
	s := g.server
	s.opts.Schedule.AddUnpaced(1)
	s.latency.addStream()
	g.beat = time.NewTicker(s.opts.Heartbeat)
	ctx, cancel := context.WithCancelCause(request)
	g.cancel = cancel
	stopClose := context.AfterFunc(s.ctx, func() { cancel(CloseServerClosed) })
	stopDrain := context.AfterFunc(s.draining, func() {
		time.AfterFunc(time.Until(s.drainTime(time.Now())), func() { cancel(CloseDraining) })
	})
	stopLease := g.watchLease(cancel)
	if s.isDrained() {
		cancel(CloseDraining)
	}
	return ctx, func() {
		stopLease()
		stopDrain()
		stopClose()
		cancel(nil)
		g.stopEnd()
		g.beat.Stop()
		s.latency.removeStream()
		s.opts.Schedule.AddUnpaced(-1)
	}
}

// finish closes the owner of the stream, which err ended.
func (g *goroutine) finish(ctx context.Context, err error) {
	g.server.ended(g.stream.Owner, newEnd(g.cause(ctx, err), time.Since(g.began), g.bytes, g.stream.Sub.Sent()))
}

// cause returns the close reason that err stands for, or err if it stands for none.
func (g *goroutine) cause(ctx context.Context, err error) error {
	switch {
	case reasonOf(err) != CloseOther:
		return reasonOf(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return CloseSlow
	case ctx.Err() != nil && g.writeErr != nil, errors.Is(err, context.Canceled):
		return CloseClientGone
	default:
		return err
	}
}

// run writes until ctx ends or a write fails.
func (g *goroutine) run(ctx context.Context) error {
	if err := g.writeSync(); err != nil {
		return err
	}
	for more := false; ; {
		changed := g.server.opts.Feed.Changed()
		reads, err := g.tell()
		if err != nil {
			return err
		}
		if more, err = g.step(ctx, more); err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-reads:
		case <-g.beat.C:
			if err := g.heartbeat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return g.writeLast(ctx)
		}
	}
}

// writeSync writes the first event.
func (g *goroutine) writeSync() error {
	if g.stream.Sync.Mode == stream.ModeStale {
		g.beginStale()
	}
	return g.writeFrame(g.stream.Sub.Sync(g.buf, g.stream.Sync, g.server.opts.Now()))
}

// step writes pending events. If the client has a batch window, step waits for its end first, unless
// more says that it is in the middle of a batch. It reports whether further events may be pending.
func (g *goroutine) step(ctx context.Context, more bool) (bool, error) {
	if window := g.stream.Sub.Window(); window != 0 && !more {
		if err := g.waitForWindow(ctx, window); err != nil {
			return false, err
		}
	}
	more, err := g.advance(ctx)
	if g.writeErr != nil { // net/http has then ended ctx, too
		return false, g.writeErr
	}
	if ctx.Err() != nil {
		return false, g.writeLast(ctx)
	}
	return more, err
}

// waitForWindow waits until the current batch window or ctx ends.
func (g *goroutine) waitForWindow(ctx context.Context, window time.Duration) error {
	end := time.NewTimer(time.Until(g.server.windowEnd(time.Now(), window)))
	defer end.Stop()
	for {
		reads, err := g.tell()
		if err != nil {
			return err
		}
		select {
		case <-reads:
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil // the caller checks ctx
		case <-g.beat.C:
			if err := g.heartbeat(); err != nil {
				return err
			}
		}
	}
}

// advance writes pending events, or catches up from the log. It reports whether further events may be
// pending.
func (g *goroutine) advance(ctx context.Context) (bool, error) {
	before := *g.stream.Sub
	bufs, err := g.stream.Sub.Pending(nil, maxPending)
	if g.leaseEnded() { // after the bytes were chosen
		*g.stream.Sub = before
		return false, nil // the caller checks ctx
	}
	if len(bufs) > 0 {
		if err := g.writePending(bufs, &before); err != nil {
			return false, err
		}
	}
	g.server.latency.observe()
	if errors.Is(err, stream.ErrBehind) {
		err = g.catchUp(ctx)
	} else if err == nil {
		return len(bufs) > 0, nil
	}
	var reset *stream.ResetError
	if errors.As(err, &reset) {
		return true, g.writeFrame(g.server.resetFrame(g.stream.Sub, reset))
	}
	return true, err
}

// emit writes events of the log during a catch-up. While the filter matches no event, emit writes the
// heartbeats, because run waits for the catch-up.
func (g *goroutine) emit(bufs [][]byte) error {
	if g.leaseEnded() {
		return CloseExpired // the caller checks ctx, which has the reason
	}
	if len(bufs) > 0 {
		return g.writeReplayed(bufs)
	}
	if g.server.stale() != nil {
		return nil // catchUp writes that
	}
	select {
	case <-g.beat.C:
		return g.heartbeat()
	default:
		return nil
	}
}

// heartbeat writes a heartbeat, or that the server is stale, unless the lease has ended: then ctx has, too.
func (g *goroutine) heartbeat() error {
	if g.leaseEnded() {
		return nil
	}
	if stale := g.server.stale(); stale != nil {
		return g.writeFrame(g.server.staleFrame(g.stream.Sub, g.buf[:0], stale))
	}
	g.buf = g.stream.Sub.Heartbeat(g.buf[:0], g.server.opts.Now())
	return g.writeFrame(g.buf)
}

// writeLast writes the last frame if the server ends the stream, and returns why it ends.
func (g *goroutine) writeLast(ctx context.Context) error {
	if frame := g.server.lastFrame(g.stream.Sub, context.Cause(ctx)); frame != nil {
		return errors.Join(context.Cause(ctx), g.writeFrame(frame))
	}
	return context.Cause(ctx)
}
