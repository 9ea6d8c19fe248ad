package sse

import (
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// sweep checks the deadlines of every client, and counts the clients that do not keep up.
func (s *shard) sweep(now time.Time) {
	var full, catchingUp int32
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		switch {
		case c.catchUp.Load() != nil:
			catchingUp++
		case c.stalledSince != 0:
			full++
		}
		s.checkDeadlines(c, now)
	}
	s.full.Store(full)
	s.catchingUp.Store(catchingUp)
	s.deflater.dropUnused(s.server.since(now))
}

// checkDeadlines closes a slow client, drains one whose drain time or lease has ended or that has been stale for
// too long, and sends heartbeats.
func (s *shard) checkDeadlines(c *client, now time.Time) {
	t := s.server.since(now)
	mustDrain := c.drainAt != 0 && t >= c.drainAt
	stale := s.server.stale()
	leaseEnd, leaseEnded := c.lease.ended(now)
	u := c.catchUp.Load()
	switch {
	case u != nil && leaseEnded:
		u.cancel(leaseEnd)
	case u != nil && mustDrain:
		u.cancel(CloseDraining)
	case u != nil && stale != nil:
		u.stopReading(errStale)
	case u != nil:
	case c.stalledSince != 0 && t-c.stalledSince >= int64(s.server.opts.WriteTimeout):
		c.close(CloseSlow)
	case leaseEnded:
		c.drain(leaseEnd)
	case mustDrain:
		c.drain(CloseDraining)
	case c.stalledSince != 0 || c.isDraining:
	case c.saysStale() != (stale != nil):
		c.tell(stale, now)
	case stale != nil && c.outage.endAt != 0 && t >= c.outage.endAt:
		c.drain(CloseStale)
	case t >= c.beatAt:
		c.beat(stale, now)
	}
	c.continueCatchUp(t)
}

// drain chooses a drain time for every client.
func (s *shard) drain() {
	now, o := time.Now(), &s.server.opts
	for _, c := range s.clients {
		c.drainAt = s.server.since(s.server.drainTime(now))
	}
	s.sweeper.Reset(min(pacing.DrainSweepInterval, pacing.SweepInterval(o.Heartbeat, o.WriteTimeout)))
	s.sweep(now)
}

// scheduleFlush makes the shard flush at the given time or earlier.
func (s *shard) scheduleFlush(at int64, now time.Time) {
	if s.flushAt == 0 || at < s.flushAt {
		s.flushAt = at
		s.flusher.Reset(time.Duration(at - s.server.since(now)))
	}
}

// flush serves the clients whose batch windows have ended.
func (s *shard) flush() {
	s.flushAt = 0
	watch := startStopwatch()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	s.deflater.begin(true, s.server.since(watch.began))
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		switch {
		case c.flushAt == 0:
		case c.flushAt <= s.server.since(watch.began):
			c.serve(p)
		default:
			s.scheduleFlush(c.flushAt, watch.began)
		}
	}
	s.pacer.Record(watch.began, watch.cost(time.Now()), s.eventsPerClient(p))
	s.meter(p)
}
