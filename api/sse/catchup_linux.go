package sse

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// catchUp is a client that reads the log: it is lent to a goroutine until the feed will do again.
type catchUp struct {
	client *client
	ctx    context.Context
	cancel context.CancelCauseFunc
	room   chan struct{} // the poller says that the socket has room
	torn   bool          // the client has a part of what it was sent last, and will not get the rest
}

// depart lends the client to a goroutine that reads for it what the feed no longer holds.
func (c *client) depart() {
	a := &catchUp{client: c, room: make(chan struct{}, 1)}
	a.ctx, a.cancel = context.WithCancelCause(c.shard.server.ctx)
	c.away.Store(a)
	if c.gone.Load() { // the poller may have come just before
		a.cancel(CloseClientGone)
	}
	c.shard.engine.running.Go(a.run)
}

func (a *catchUp) run() {
	c := a.client
	bytes, events := c.bytes, c.sub.Sent()
	err := c.sub.CatchUp(a.ctx, a.emit)
	c.shard.server.opts.Meter.Sent(c.bytes-bytes, c.sub.Sent()-events)
	if cause := context.Cause(a.ctx); cause != nil {
		err = cause
	}
	a.cancel(nil)
	a.client.shard.post(message{client: a.client, kind: returned, err: err})
}

// signal says that there is room. One signal is enough, however often there was.
func (a *catchUp) signal() {
	select {
	case a.room <- struct{}{}:
	default:
	}
}

// emit sends what came from the log, and waits for the client. While the filter lets nothing
// through, it sends the heartbeats that nobody else would.
func (a *catchUp) emit(bufs [][]byte) error {
	c := a.client
	if len(bufs) == 0 {
		now := time.Now()
		if c.shard.server.since(now) < c.beatAt {
			return nil
		}
		c.beatAt = c.shard.server.since(now.Add(c.shard.server.opts.Heartbeat))
		bufs = [][]byte{c.sub.Heartbeat(nil, c.shard.server.opts.Now())}
	}
	before := c.bytes
	for _, b := range bufs {
		if err := a.send(b); err != nil {
			a.torn = c.bytes > before
			return err
		}
	}
	return nil
}

func (a *catchUp) send(b []byte) error {
	for {
		n, err := send(int(a.client.fd), b)
		a.client.bytes += int64(n)
		if b = b[n:]; err == nil && len(b) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return CloseClientGone
		}
		if err != nil {
			if err := a.wait(); err != nil {
				return err
			}
		}
	}
}

// wait waits until the socket has room.
func (a *catchUp) wait() error {
	patience := time.NewTimer(a.client.shard.server.opts.WriteTimeout)
	defer patience.Stop()
	select {
	case <-a.room:
		return nil
	case <-patience.C:
		return CloseSlow
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}
