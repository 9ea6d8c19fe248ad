package sse

import (
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// sweep does what time brings: heartbeats, and the ends of slow clients, of leases, and of all
// when the server drains.
func (s *shard) sweep(now time.Time) {
	var full, behind int32
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		switch {
		case c.away.Load() != nil:
			behind++
		case c.stalled != 0:
			full++
		}
		s.look(c, now)
	}
	s.full.Store(full)
	s.behind.Store(behind)
}

func (s *shard) look(c *client, now time.Time) {
	t := s.server.since(now)
	away := c.away.Load()
	switch {
	case away != nil:
		s.call(c, away, now)
	case c.stalled != 0 && t-c.stalled >= int64(s.server.opts.WriteTimeout):
		c.end(CloseSlow)
	case c.leavesAt != 0 && t >= c.leavesAt:
		c.leave(CloseDraining)
	case c.lease.expired(now):
		c.leave(CloseExpired)
	case t >= c.beatAt && c.stalled == 0:
		c.beatAt = s.server.since(now.Add(s.server.opts.Heartbeat))
		c.control(c.sub.Heartbeat(nil, s.server.opts.Now()))
	}
}

// call makes a client that is away come back, when it must end.
func (s *shard) call(c *client, away *catchUp, now time.Time) {
	switch {
	case c.leavesAt != 0 && s.server.since(now) >= c.leavesAt:
		away.cancel(CloseDraining)
	case c.lease.expired(now):
		away.cancel(CloseExpired)
	}
}

// drain makes every client choose when to leave.
func (s *shard) drain() {
	now := time.Now()
	for _, c := range s.clients {
		c.leavesAt = s.server.since(s.server.leaveAt(now))
	}
	s.sweeper.Reset(min(pacing.DrainSweepInterval, pacing.SweepInterval(s.server.opts.Heartbeat, s.server.opts.WriteTimeout)))
	s.sweep(now)
}
