package sse

import (
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// gathers reports whether the client waits for the end of its window. The first change begins one.
func (c *client) gathers() bool {
	window := c.sub.Window()
	if window == 0 {
		return false
	}
	now := time.Now()
	switch {
	case c.flushAt == 0:
		c.flushAt = c.shard.server.since(c.shard.server.windowEnd(now, window))
		c.shard.flushBy(c.flushAt, now)
	case c.shard.server.since(now) >= c.flushAt:
		c.flushAt = 0
		return false
	}
	return true
}

// flushBy makes the shard look for windows that have ended by then.
func (s *shard) flushBy(at int64, now time.Time) {
	if s.nextFlush == 0 || at < s.nextFlush {
		s.nextFlush = at
		s.flusher.Reset(time.Duration(at - s.server.since(now)))
	}
}

// flush serves the clients whose windows have ended.
func (s *shard) flush() {
	s.nextFlush = 0
	watch := startWatch()
	p := s.server.opts.Feed.NewFanOutPass(pacing.MaxWrite)
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		switch {
		case c.flushAt == 0:
		case c.flushAt <= s.server.since(watch.began):
			c.serve(p)
		default:
			s.flushBy(c.flushAt, watch.began)
		}
	}
	s.pacer.Record(watch.began, watch.cost(time.Now()), s.each(p))
	s.count(p)
}
