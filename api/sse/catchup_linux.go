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
	client *client
	ctx    context.Context
	cancel context.CancelCauseFunc
	// reading ends with ctx, or when the server becomes stale: a send that waits for its client goes on then.
	reading     context.Context
	stopReading context.CancelCauseFunc
	room        chan struct{} // signalled by the poller when the socket has room
	isPartial   bool          // the catch-up ended within a frame, whose rest will not be sent
}

// startCatchUp starts a catch-up, which owns the client from then on.
func (c *client) startCatchUp() {
	u := &catchUp{client: c, room: make(chan struct{}, 1)}
	u.ctx, u.cancel = context.WithCancelCause(c.shard.server.ctx)
	u.reading, u.stopReading = context.WithCancelCause(u.ctx)
	c.catchUp.Store(u)
	c.shard.transport.catchUps.Add(1)
	if c.isPeerClosed.Load() { // the poller may have reported it before the Store
		u.cancel(CloseClientGone)
	}
	c.shard.transport.running.Go(u.run)
}

func (u *catchUp) run() {
	c := u.client
	bytes, events := c.bytes, c.sub.Sent()
	err := c.sub.CatchUp(u.reading, stream.CatchUpClient{Emit: u.emit, Interrupt: func() { u.cancel(CloseSlow) }})
	c.shard.server.opts.Meter.Sent(c.bytes-bytes, c.sub.Sent()-events)
	if cause := context.Cause(u.ctx); cause != nil {
		err = cause
	}
	u.stopReading(nil)
	u.cancel(nil)
	c.shard.transport.catchUps.Add(-1)
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
		if c.shard.server.since(now) < c.beatAt || c.shard.server.stale() != nil {
			return nil
		}
		c.beatAt = c.shard.server.since(now.Add(c.shard.server.opts.Heartbeat))
		bufs = [][]byte{c.sub.Heartbeat(nil, c.shard.server.opts.Now())}
	}
	before := c.bytes
	err := u.sendAll(bufs)
	u.isPartial = err != nil && c.bytes > before
	return err
}

func (u *catchUp) sendAll(bufs [][]byte) error {
	if u.client.isGzip() {
		return u.sendEncoded(bufs)
	}
	for _, b := range bufs {
		if err := u.send(b); err != nil {
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

// trySend sends what the socket takes.
func (u *catchUp) trySend(b []byte) (n int, err error) {
	u.takeTurn(func(*catchUpTurn) { n, err = send(int(u.client.fd), b[:min(len(b), catchUpSend)]) })
	return n, err
}

// catchUpTurn lets a catch-up use a processor.
type catchUpTurn struct {
	busy       time.Duration // since the last pause
	compressor *compressor   // nil until it is needed
}

// takeTurn calls work when it is the catch-up's turn. Few catch-ups have a turn at a time, because each send takes long:
// the shards, which serve the clients that are not behind, need the processors too.
func (u *catchUp) takeTurn(work func(*catchUpTurn)) {
	e := u.client.shard.transport
	turn := <-e.catchUpTurns
	began := time.Now()
	work(turn)
	if turn.busy += time.Since(began); turn.busy >= catchUpBusy {
		if e.sockets.Load() > e.catchUps.Load() {
			time.Sleep(catchUpPause * turn.busy)
		}
		turn.busy = 0
	}
	e.catchUpTurns <- turn
}

// After catch-ups have sent for catchUpBusy, they leave the processor to the clients that are not behind for
// catchUpPause times as long, unless every client catches up. The kernel does most of the work of a send.
const (
	catchUpBusy  = time.Millisecond
	catchUpPause = 2
)

// newCatchUpTurns returns a semaphore for n turns at a time.
func newCatchUpTurns(n int) chan *catchUpTurn {
	turns := make(chan *catchUpTurn, n)
	for range n {
		turns <- new(catchUpTurn)
	}
	return turns
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
		if c.outage != nil {
			c.outage.failed = 0
		}
		return true
	case u.isPartial:
		c.close(err)
	case isLogError(err) && c.failCatchUp():
		c.shard.checkDeadlines(c, time.Now())
	case errors.As(err, &reset):
		return c.writeFrame(c.shard.server.resetFrame(&c.sub, reset))
	case errors.Is(err, CloseDraining), endsLease(err):
		c.drain(err)
	default:
		c.close(err)
	}
	return false
}
