package sse

import (
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
)

// client is a stream on its bare socket. It belongs to its shard: only that touches it, but for
// what says otherwise. There may be a hundred thousand of them: see TestClientIsSmall.
//
// A pass touches the memory of every client, and most of what it costs beside the system call is to
// fetch that: what it needs comes first, in one piece.
type client struct {
	away    atomic.Pointer[catchUp]
	stalled int64 // since when the socket has had no room, 0 if it has; see Server.since, as those below
	bytes   int64
	fd      int32
	index   int32 // among the shard's clients, -1 while it is not one of them
	sub     stream.Subscription

	shard    *shard
	rest     []byte // of a frame that the socket had no room for
	began    int64
	beatAt   int64 // when the next heartbeat is due
	flushAt  int64 // when its window ends, 0 if none has begun
	leavesAt int64 // when it is told to leave, 0 if it is not
	lease    *Lease
	ended    func(End)
	gone     atomic.Bool // the poller saw the end
	leaving  bool        // it has been told why, and goes when it has read that
	expired  bool        // that is why; else the server drains
}

// hungUp is called by the poller when there is nobody at the other end any more.
func (c *client) hungUp() {
	c.gone.Store(true)
	if away := c.away.Load(); away != nil {
		away.cancel(CloseClientGone)
		return
	}
	c.shard.post(message{client: c, kind: changed})
}

// writable is called by the poller when a socket has room again, and once when it is new.
func (c *client) writable() {
	if away := c.away.Load(); away != nil {
		away.signal()
		return
	}
	c.shard.post(message{client: c, kind: changed})
}

// serve sends what is due. It returns when nothing more is, or when the client must wait.
func (c *client) serve(p *stream.FanOutPass) {
	if c.away.Load() != nil || c.stalled != 0 || c.gathers() {
		return
	}
	for {
		before := c.sub
		data, more, err := p.Pending(&c.sub)
		if len(data) > 0 && !c.send(p, data, &before) {
			return
		}
		if err != nil && !c.survives(err) || err == nil && !more {
			return
		}
	}
}

// survives deals with what keeps a client from being served. True means that it can be served on.
// It is no part of serve, as the memory of its variables would be allocated for each delivery.
func (c *client) survives(err error) bool {
	var reset *stream.ResetError
	switch {
	case errors.Is(err, stream.ErrBehind):
		c.depart()
	case errors.As(err, &reset):
		return c.control(c.shard.server.reset(&c.sub, reset))
	default:
		c.end(err)
	}
	return false
}

// send sends a portion that is due. If the socket has no room for all of it, only the rest of one
// frame is kept.
func (c *client) send(p *stream.FanOutPass, data []byte, before *stream.Subscription) bool {
	n, ok := c.write(data)
	if n < len(data) && ok {
		c.rest = p.Rewind(&c.sub, before, data, n)
		c.stall()
	}
	return ok && n == len(data)
}

// control sends a frame of the stream itself.
func (c *client) control(frame []byte) bool {
	if c.stalled != 0 {
		c.rest = append(c.rest, frame...)
		return true
	}
	n, ok := c.write(frame)
	if n < len(frame) && ok {
		c.rest = frame[n:]
		c.stall()
	}
	return ok
}

// write returns how much of b the socket took; false if the client is lost, and ended by that.
func (c *client) write(b []byte) (int, bool) {
	n, err := send(int(c.fd), b)
	c.bytes += int64(n)
	c.shard.sent += int64(n)
	if err == nil || errors.Is(err, unix.EAGAIN) {
		return n, true
	}
	c.end(CloseClientGone)
	return n, false
}

// stall notes that the socket is full. The poller will tell when it no longer is.
func (c *client) stall() { c.stalled = c.shard.server.since(time.Now()) }

// resume sends the rest of what did not fit before. True means that the client may be served.
func (c *client) resume() bool {
	if c.stalled == 0 {
		return true
	}
	n, ok := c.write(c.rest)
	if !ok {
		return false
	}
	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		if n > 0 {
			c.stall() // anew: it does read
		}
		return false
	}
	c.rest, c.stalled = nil, 0
	if c.leaving {
		c.end(c.reason())
		return false
	}
	return true
}

// leave tells the client why the server ends its stream, and ends it once that is sent.
func (c *client) leave(why error) {
	if c.leaving {
		return
	}
	c.leaving, c.expired = true, errors.Is(why, CloseExpired)
	if frame := c.shard.server.farewell(&c.sub, why); frame != nil && !c.control(frame) {
		return
	}
	if c.stalled == 0 {
		c.end(why)
	}
}

// reason is why a client that is leaving leaves.
func (c *client) reason() error {
	if c.expired {
		return CloseExpired
	}
	return CloseDraining
}

// end closes the socket and forgets the client.
func (c *client) end(why error) {
	c.shard.remove(c)
	c.over(why)
}

// over tells that the stream has ended.
func (c *client) over(why error) {
	lasted := time.Duration(c.shard.server.since(time.Now()) - c.began)
	c.shard.server.over(c.ended, newEnd(why, lasted, c.bytes, c.sub.Sent()))
}
