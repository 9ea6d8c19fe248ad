package sse

import (
	"math/rand/v2"
	"time"
)

// outage describes how an outage of the log affects a client. Few clients have one in normal times, so it
// is allocated apart.
type outage struct {
	saysStale bool  // its last sync event said stale
	endAt     int64 // when the stream ends if the server stays stale, 0 if it does not; see Server.since
	retryAt   int64 // when the next catch-up may begin
	failed    int   // catch-ups that failed one after the other
}

func (c *client) saysStale() bool { return c.outage != nil && c.outage.saysStale }

// suffer returns the client's outage, and allocates it if necessary.
func (c *client) suffer() *outage {
	if c.outage == nil {
		c.outage = &outage{}
	}
	return c.outage
}

// tell writes that the log cannot be read or, if stale is nil, that it is read again.
func (c *client) tell(stale *staleness, now time.Time) {
	server, o := c.shard.server, c.suffer()
	o.saysStale = stale != nil
	if stale != nil {
		o.endAt = stale.endAt(c.began)
		c.beatAt = server.since(now.Add(server.beatInterval(stale)))
		c.writeFrame(server.staleFrame(&c.sub, nil, stale))
		return
	}
	// All clients receive this at the same time. Their next heartbeats are spread again.
	c.beatAt = server.since(now.Add(rand.N(server.opts.Heartbeat)))
	if o.endAt = 0; o.retryAt == 0 {
		c.outage = nil
	}
	c.writeFrame(server.liveFrame(&c.sub, nil))
}

// beat writes a heartbeat or, if stale is not nil, again that the log cannot be read.
func (c *client) beat(stale *staleness, now time.Time) {
	server := c.shard.server
	if stale == nil && c.postponeBeat(now) {
		return
	}
	c.beatAt = server.since(now.Add(server.beatInterval(stale)))
	if stale != nil {
		c.writeFrame(server.staleFrame(&c.sub, nil, stale))
		return
	}
	c.writeFrame(c.sub.Heartbeat(nil, server.opts.Now()))
}

// mayCatchUp reports whether a catch-up may begin now. If not, continueCatchUp begins it.
func (c *client) mayCatchUp() bool {
	server := c.shard.server
	if server.stale() == nil && (c.outage == nil || c.outage.retryAt == 0) {
		return true
	}
	if o := c.suffer(); o.retryAt == 0 {
		o.retryAt = server.since(time.Now())
	}
	return false
}

// failCatchUp makes a catch-up that failed begin again later. It returns false if the client has tried too often
// while the feed could read the log.
func (c *client) failCatchUp() bool {
	server, o := c.shard.server, c.suffer()
	o.retryAt = server.since(time.Now().Add(retryCatchUp))
	if server.opts.Feed.Err() != nil || server.stale() != nil {
		o.failed = 0
	} else {
		o.failed++
	}
	return o.failed < maxCatchUps
}

// continueCatchUp begins a catch-up that had to wait, if the log is read.
func (c *client) continueCatchUp(t int64) {
	o := c.outage
	if c.index < 0 || o == nil || o.saysStale || o.retryAt == 0 || t < o.retryAt || c.catchUp.Load() != nil || c.stalledSince != 0 || c.isDraining {
		return
	}
	o.retryAt = 0
	c.startCatchUp()
}
