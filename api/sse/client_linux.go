package sse

import (
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
)

// client is a stream on its bare socket. See the package documentation for its states. Only its shard
// may use it, except for the fields and methods that say otherwise.
//
// A server may have a hundred thousand clients, so a client must stay small: see TestClientIsSmall.
// Apart from the system calls, a pass spends most time on loading each client into the processor's
// cache. The fields that a pass needs come first.
type client struct {
	catchUp      atomic.Pointer[catchUp] // set while the client catches up; any goroutine may load it
	stalledSince int64                   // 0 unless stalled; see Server.since, as for the times below
	bytes        int64                   // written
	fd           int32
	index        int32 // in the shard's clients, -1 if it is not among them
	sub          stream.Subscription
	piece        uint64 // the newest piece of the chain that the client follows, or noPiece; 0 if its stream is not compressed

	shard        *shard
	unsent       *unsent // set while stalled
	began        int64
	beatAt       int64 // time of the next heartbeat
	flushAt      int64 // end of the batch window, 0 if none has begun
	drainAt      int64 // time at which the server drains the client, 0 if it does not
	lease        *Lease
	owner        Owner
	outage       *outage     // nil unless the client knows or suffers that the log cannot be read
	isPeerClosed atomic.Bool // set by the poller
	isDraining   bool        // its last frame is written or in unsent
	isExpired    bool        // it drains because its lease has ended; otherwise because the server drains
	postponed    uint8       // heartbeats in a row; see postponeBeat
}

// onPeerClosed is called by the poller when the peer has closed the connection.
func (c *client) onPeerClosed() {
	c.isPeerClosed.Store(true)
	if u := c.catchUp.Load(); u != nil {
		u.cancel(CloseClientGone)
		return
	}
	c.shard.post(message{client: c, kind: socketChanged})
}

// onWritable is called by the poller when a full socket has room again, and once for a new one.
func (c *client) onWritable() {
	if u := c.catchUp.Load(); u != nil {
		u.signalRoom()
		return
	}
	c.shard.post(message{client: c, kind: socketChanged})
}

// serve writes pending events until there are none or the socket is full. It does nothing if the client
// is stalled, catches up, or gathers a batch.
func (c *client) serve(p *stream.FanOutPass) {
	if c.catchUp.Load() != nil || c.stalledSince != 0 || c.isGathering() {
		return
	}
	for {
		before := c.sub
		data, more, err := p.Pending(&c.sub)
		if reason, ended := c.leaseEnded(); ended {
			c.sub = before
			c.drain(reason)
			return
		}
		if len(data) > 0 && !c.send(p, data, &before) {
			return
		}
		if err != nil && !c.handleFeedError(err) || err == nil && !more {
			return
		}
	}
}

// handleFeedError handles an error of the subscription. It reports whether to continue to serve the
// client. It is separate from serve so that its variables are not allocated for each delivery.
func (c *client) handleFeedError(err error) bool {
	var reset *stream.ResetError
	switch {
	case errors.Is(err, stream.ErrBehind):
		if c.mayCatchUp() {
			c.startCatchUp()
		}
	case errors.As(err, &reset):
		return c.writeFrame(c.shard.server.resetFrame(&c.sub, reset))
	default:
		c.close(err)
	}
	return false
}

// send writes pending bytes, and reports whether the socket took all of them. If not, the client keeps
// the rest of one frame, and its subscription continues after that frame.
func (c *client) send(p *stream.FanOutPass, data []byte, before *stream.Subscription) bool {
	if c.isGzip() {
		return c.sendEncoded(p, c.shard.deflater.encode(p, c, data), before)
	}
	n, ok := c.write(data)
	if n < len(data) && ok {
		rest := p.Rewind(&c.sub, before, data, n)
		c.stall(rest, p.Pin(rest, &c.sub, before, c.pinsTooMuch))
	}
	return ok && n == len(data)
}

func (c *client) isGzip() bool { return c.piece != 0 }

// sendEncoded is send for bytes of a gzip stream, of which the client keeps the whole rest.
func (c *client) sendEncoded(p *stream.FanOutPass, encoded []byte, before *stream.Subscription) bool {
	n, ok := c.write(encoded)
	if n < len(encoded) && ok {
		c.stall(p.Keep(encoded, n, &c.sub, before, c.pinsTooMuch))
	}
	return ok && n == len(encoded)
}

// pinsTooMuch makes the shard close the client, unless it has taken its bytes meanwhile. Any goroutine may call it.
func (c *client) pinsTooMuch() { c.shard.post(message{client: c, kind: pinsTooMuch}) }

// writeFrame writes a control frame, after the unsent bytes. It reports whether the client is still open.
func (c *client) writeFrame(frame []byte) bool {
	frame = c.own(frame)
	if c.stalledSince != 0 {
		c.unsent.bufs = append(c.unsent.bufs, frame)
		return true
	}
	n, ok := c.write(frame)
	if n < len(frame) && ok {
		c.stall([][]byte{frame[n:]}, nil)
	}
	return ok
}

// write writes as many bytes as the socket has room for, and returns their number. If the connection is
// lost, it closes the client and returns false.
func (c *client) write(b []byte) (int, bool) {
	n, err := send(int(c.fd), b)
	c.bytes += int64(n)
	c.shard.sent += int64(n)
	if err == nil || errors.Is(err, unix.EAGAIN) {
		return n, true
	}
	c.close(CloseClientGone)
	return n, false
}

// unsent holds what a stalled client still has to take.
type unsent struct {
	bufs  [][]byte // the rest of a frame for which the socket had no room, and control frames
	pin   *stream.Pin
	taken int // bytes since the write timeout has begun
}

// minTaken is how many bytes a stalled client must take within WriteTimeout, unless fewer are left.
const minTaken = 16 << 10

// stall records that the socket is full. The poller reports when it has room again.
func (c *client) stall(rest [][]byte, pin *stream.Pin) {
	c.unsent = &unsent{bufs: rest, pin: pin}
	c.stalledSince = c.shard.server.since(time.Now())
}

// resume writes the unsent bytes. It reports whether the client can be served.
func (c *client) resume() bool {
	if c.stalledSince == 0 {
		return true
	}
	for u := c.unsent; len(u.bufs) > 0; {
		n, ok := c.write(u.bufs[0])
		if !ok {
			return false
		}
		if u.taken += n; u.taken >= minTaken { // restart the write timeout, since the client reads
			u.taken, c.stalledSince = 0, c.shard.server.since(time.Now())
		}
		if n < len(u.bufs[0]) {
			u.bufs[0] = u.bufs[0][n:]
			return false
		}
		u.bufs[0] = nil
		u.bufs = u.bufs[1:]
	}
	c.endStall()
	if c.isDraining {
		c.close(c.drainReason())
		return false
	}
	return true
}

func (c *client) endStall() {
	if c.unsent != nil {
		c.unsent.pin.Release()
	}
	c.unsent, c.stalledSince = nil, 0
}

// leaseEnded reports whether the client's lease has ended, and why. It reads the clock, because a pass may
// take long: the pending bytes were chosen before this moment.
func (c *client) leaseEnded() (CloseReason, bool) {
	if c.lease == nil {
		return "", false
	}
	return c.lease.ended(time.Now())
}

// drain writes the last frame, and closes the client once the socket has taken it. The reason is
// CloseDraining, or why the lease has ended.
func (c *client) drain(reason error) {
	if c.isDraining {
		return
	}
	c.isDraining = true
	c.isExpired = endsLease(reason)
	if frame := c.shard.server.lastFrame(&c.sub, reason); frame != nil && !c.writeFrame(frame) {
		return
	}
	if c.stalledSince == 0 {
		c.close(reason)
	}
}

// drainReason returns why a draining client drains.
func (c *client) drainReason() error {
	switch {
	case c.isExpired:
	case c.drainAt == 0 && c.outage != nil:
		return CloseStale
	default:
		return CloseDraining
	}
	if reason, ended := c.leaseEnded(); ended {
		return reason
	}
	return CloseExpired // it was renewed too late
}

// close removes the client from its shard, closes the socket, and closes the owner.
func (c *client) close(reason error) {
	c.endStall()
	c.shard.remove(c)
	c.reportEnd(reason)
}

// reportEnd closes the owner with a description of the end.
func (c *client) reportEnd(reason error) {
	duration := time.Duration(c.shard.server.since(time.Now()) - c.began)
	c.shard.server.ended(c.owner, newEnd(reason, duration, c.bytes, c.sub.Sent()))
}

// isGathering reports whether the client waits for the end of its batch window. If no window has begun,
// it begins one.
func (c *client) isGathering() bool {
	window := c.sub.Window()
	if window == 0 {
		return false
	}
	now := time.Now()
	switch {
	case c.flushAt == 0:
		c.flushAt = c.shard.server.since(c.shard.server.windowEnd(now, window))
		c.shard.scheduleFlush(c.flushAt, now)
	case c.shard.server.since(now) >= c.flushAt:
		c.flushAt = 0
		return false
	}
	return true
}
