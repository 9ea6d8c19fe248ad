package sse

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
)

// catchUp reads the log for a client that the feed no longer covers. Its goroutine owns the client
// until it has posted caughtUp to the shard.
type catchUp struct {
	client    *client
	ctx       context.Context
	cancel    context.CancelCauseFunc
	room      chan struct{} // signalled by the poller when the socket has room
	isPartial bool          // the catch-up ended within a frame, whose rest will not be sent
}

// startCatchUp starts a catch-up, which owns the client from then on.
func (c *client) startCatchUp() {
	u := &catchUp{client: c, room: make(chan struct{}, 1)}
	u.ctx, u.cancel = context.WithCancelCause(c.shard.server.ctx)
	c.catchUp.Store(u)
	if c.isPeerClosed.Load() { // the poller may have reported it before the Store
		u.cancel(CloseClientGone)
	}
	c.shard.transport.running.Go(u.run)
}

func (u *catchUp) run() {
	c := u.client
	bytes, events := c.bytes, c.sub.Sent()
	err := c.sub.CatchUp(u.ctx, stream.CatchUpClient{Emit: u.emit, Interrupt: func() { u.cancel(CloseSlow) }})
	c.shard.server.opts.Meter.Sent(c.bytes-bytes, c.sub.Sent()-events)
	if cause := context.Cause(u.ctx); cause != nil {
		err = cause
	}
	u.cancel(nil)
	c.shard.post(message{client: c, kind: caughtUp, err: err})
}

// signalRoom records that the socket has room. It does not block.
func (u *catchUp) signalRoom() {
	select {
	case u.room <- struct{}{}:
	default:
	}
}

// emit writes events of the log, and waits until the socket has taken them. While the filter matches no
// event, emit writes the heartbeats, because the shard does not own the client.
func (u *catchUp) emit(bufs [][]byte) error {
	c := u.client
	if reason, ended := c.leaseEnded(); ended {
		return reason
	}
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
		if err := u.send(b); err != nil {
			u.isPartial = c.bytes > before
			return err
		}
	}
	return nil
}

func (u *catchUp) send(b []byte) error {
	for {
		n, err := u.trySend(b)
		u.client.bytes += int64(n)
		if b = b[n:]; err == nil && len(b) == 0 {
			return nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, unix.EAGAIN) {
			return CloseClientGone
		}
		if err := u.waitForRoom(); err != nil {
			return err
		}
	}
}

// trySend sends what the socket takes. Few catch-ups send at a time, because each send takes long: the shards,
// which serve the clients that are not behind, need the processors too.
func (u *catchUp) trySend(b []byte) (int, error) {
	sends := u.client.shard.transport.catchUpSends
	sends <- struct{}{}
	defer func() { <-sends }()
	return send(int(u.client.fd), b[:min(len(b), catchUpSend)])
}

// catchUpSend is the number of bytes that a catch-up sends before it lets another one send.
const catchUpSend = 64 << 10

func (u *catchUp) waitForRoom() error {
	timeout := time.NewTimer(u.client.shard.server.opts.WriteTimeout)
	defer timeout.Stop()
	select {
	case <-u.room:
		return nil
	case <-timeout.C:
		return CloseSlow
	case <-u.ctx.Done():
		return context.Cause(u.ctx)
	}
}

// finishCatchUp returns the client to its shard after a catch-up. err is nil if the feed covers the
// client again. finishCatchUp reports whether to serve the client now. A client that was sent only a
// part of a frame is closed without a last frame, which it would parse as the rest.
func (c *client) finishCatchUp(err error) bool {
	u := c.catchUp.Swap(nil)
	var reset *stream.ResetError
	switch {
	case err == nil:
		return true
	case u.isPartial:
		c.close(err)
	case errors.As(err, &reset):
		return c.writeFrame(c.shard.server.resetFrame(&c.sub, reset))
	case errors.Is(err, CloseDraining), errors.Is(err, CloseExpired), errors.Is(err, CloseRevoked):
		c.drain(err)
	default:
		c.close(err)
	}
	return false
}
