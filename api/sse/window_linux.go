package sse

import "time"

// gathers reports whether the client waits for the end of its window. The first change begins one.
func (c *client) gathers() bool {
	window := c.sub.Window()
	if window == 0 {
		return false
	}
	now := time.Now()
	switch {
	case c.flushAt == 0:
		end := windowEnd(now, window)
		c.flushAt = end.UnixNano()
		c.shard.flushBy(end)
	case now.UnixNano() >= c.flushAt:
		c.flushAt = 0
		return false
	}
	return true
}

// flushBy makes the shard look for windows that have ended by then.
func (s *shard) flushBy(at time.Time) {
	if t := at.UnixNano(); s.nextFlush == 0 || t < s.nextFlush {
		s.nextFlush = t
		s.flusher.Reset(time.Until(at))
	}
}

// flush serves the clients whose windows have ended.
func (s *shard) flush() {
	s.nextFlush = 0
	watch := startWatch()
	p := s.server.opts.Feed.Pass(maxWrite)
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		switch {
		case c.flushAt == 0:
		case c.flushAt <= watch.began.UnixNano():
			c.serve(p)
		default:
			s.flushBy(time.Unix(0, c.flushAt))
		}
	}
	s.pacer.spent(watch.began, watch.cost(time.Now()), s.each(p))
	s.count(p)
}
