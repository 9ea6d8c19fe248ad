package sse

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// goroutine serves one stream on the goroutine of its request.
type goroutine struct {
	server  *Server
	stream  *Stream
	w       http.ResponseWriter
	began   time.Time
	beat    *time.Ticker
	buf     []byte
	bytes   int64
	counted uint64 // events that the meter knows of
	lost    error  // why a write failed
}

// serve writes what is due until the stream ends. It and run call whatever needs much stack, and are not
// such themselves: they stand on the stack of an idle stream, which the runtime halves if three quarters
// of it are free.
func (g *goroutine) serve(request context.Context) {
	ctx, release := g.begin(request)
	defer release()
	g.over(ctx, g.run(ctx))
}

// begin returns what ends the stream, and what must be called in the end.
func (g *goroutine) begin(request context.Context) (context.Context, func()) {
	g.server.opts.Schedule.AddUnpaced(1)
	g.server.fresh.enter()
	g.beat = time.NewTicker(g.server.opts.Heartbeat)
	ctx, cancel := context.WithCancelCause(request)
	unclose := context.AfterFunc(g.server.ctx, func() { cancel(CloseServerClosed) })
	undrain := context.AfterFunc(g.server.draining, func() {
		time.AfterFunc(time.Until(g.server.leaveAt(time.Now())), func() { cancel(CloseDraining) })
	})
	unlease := g.watchLease(cancel)
	if g.server.left() {
		cancel(CloseDraining)
	}
	return ctx, func() {
		unlease()
		undrain()
		unclose()
		cancel(nil)
		g.beat.Stop()
		g.server.fresh.leave()
		g.server.opts.Schedule.AddUnpaced(-1)
	}
}

// over tells that the stream has ended, and why.
func (g *goroutine) over(ctx context.Context, err error) {
	g.server.over(g.stream.Ended, newEnd(g.reason(ctx, err), time.Since(g.began), g.bytes, g.stream.Sub.Sent()))
}

// watchLease cancels when the lease ends, however often that is put off.
func (g *goroutine) watchLease(cancel context.CancelCauseFunc) (stop func()) {
	lease := g.stream.Lease
	if lease == nil {
		return func() {}
	}
	var mu sync.Mutex // the timer can fire before it is stored
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(time.Until(lease.Until()), func() {
		mu.Lock()
		defer mu.Unlock()
		if lease.expired(time.Now()) {
			cancel(CloseExpired)
			return
		}
		timer.Reset(time.Until(lease.Until()))
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}

// run writes what is due until the client is gone or the server ends the stream. One goroutine,
// one select: nobody else writes to this client.
func (g *goroutine) run(ctx context.Context) error {
	if err := g.greet(); err != nil {
		return err
	}
	for more := false; ; {
		changed := g.server.opts.Feed.Changed()
		var err error
		if more, err = g.step(ctx, more); err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-g.beat.C:
			if err := g.heartbeat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return g.goodbye(ctx)
		}
	}
}

// greet writes the first event.
func (g *goroutine) greet() error {
	return g.control(g.stream.Sub.Sync(g.buf, g.stream.Sync, g.server.opts.Now()))
}

// step writes what is due, at the end of the window that it may be gathered for: unless it is more of what
// was gathered before.
func (g *goroutine) step(ctx context.Context, more bool) (bool, error) {
	if window := g.stream.Sub.Window(); window != 0 && !more {
		if err := g.gather(ctx, window); err != nil {
			return false, err
		}
	}
	more, err := g.advance(ctx)
	if g.lost != nil { // net/http has then cancelled ctx too
		return false, g.lost
	}
	if ctx.Err() != nil {
		return false, g.goodbye(ctx)
	}
	return more, err
}

// gather waits for the end of the window that has begun.
func (g *goroutine) gather(ctx context.Context, window time.Duration) error {
	end := time.NewTimer(time.Until(g.server.windowEnd(time.Now(), window)))
	defer end.Stop()
	for {
		select {
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil // whoever called knows
		case <-g.beat.C:
			if err := g.heartbeat(); err != nil {
				return err
			}
		}
	}
}

// advance writes what is due now, and reports whether there may be more already.
func (g *goroutine) advance(ctx context.Context) (bool, error) {
	bufs, err := g.stream.Sub.Pending(nil, pacing.MaxWrite)
	if len(bufs) > 0 {
		if err := g.write(bufs); err != nil {
			return false, err
		}
	}
	g.server.fresh.wrote()
	if errors.Is(err, stream.ErrBehind) {
		err = g.stream.Sub.CatchUp(ctx, g.catchUp)
	} else if err == nil {
		return len(bufs) > 0, nil
	}
	var reset *stream.ResetError
	if errors.As(err, &reset) {
		return true, g.control(g.server.reset(g.stream.Sub, reset))
	}
	return true, err
}

// reset is the frame that tells a client to begin anew.
func (s *Server) reset(sub *stream.Subscription, why *stream.ResetError) []byte {
	s.opts.Meter.Reset(why.Reason)
	s.opts.Logger.Info("stream reset", "reason", why.Reason)
	return sub.Sync(nil, stream.Sync{Mode: stream.ModeReset, Reason: why.Reason}, s.opts.Now())
}

// catchUp writes what came from the log. As long as the filter lets nothing through, it sends the
// heartbeats that nobody else would.
func (g *goroutine) catchUp(bufs [][]byte) error {
	if len(bufs) > 0 {
		return g.write(bufs)
	}
	select {
	case <-g.beat.C:
		return g.heartbeat()
	default:
		return nil
	}
}

func (g *goroutine) heartbeat() error {
	g.buf = g.stream.Sub.Heartbeat(g.buf[:0], g.server.opts.Now())
	return g.control(g.buf)
}

// goodbye tells the client what to do, if it is the server who ends the stream.
func (g *goroutine) goodbye(ctx context.Context) error {
	if frame := g.server.farewell(g.stream.Sub, context.Cause(ctx)); frame != nil {
		return errors.Join(context.Cause(ctx), g.control(frame))
	}
	return context.Cause(ctx)
}

// control writes one frame of the stream itself.
func (g *goroutine) control(frame []byte) error { return g.write([][]byte{frame}) }

// write writes and flushes. A client that does not take it within the time-out is gone.
func (g *goroutine) write(bufs [][]byte) error {
	g.lost = g.tryWrite(bufs)
	return g.lost
}

func (g *goroutine) tryWrite(bufs [][]byte) error {
	if err := g.server.extend(g.w); err != nil {
		return err
	}
	before := g.bytes
	defer func() {
		g.server.opts.Meter.Sent(g.bytes-before, g.stream.Sub.Sent()-g.counted)
		g.counted = g.stream.Sub.Sent()
	}()
	for _, b := range bufs {
		n, err := g.w.Write(b)
		g.bytes += int64(n)
		if err != nil {
			return err
		}
	}
	return http.NewResponseController(g.w).Flush()
}

// reason returns the close reason for the error that ended the stream, or else the error.
func (g *goroutine) reason(ctx context.Context, err error) error {
	switch {
	case reasonOf(err) != CloseOther:
		return reasonOf(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return CloseSlow
	case ctx.Err() != nil && g.lost != nil, errors.Is(err, context.Canceled):
		return CloseClientGone
	default:
		return err
	}
}
