package sse

import "time"

// windowEnd is when the window ends that a moment lies in. The windows of everybody begin and end at
// the same times of a server, so that what is put together for one client will do for the others.
func (s *Server) windowEnd(now time.Time, window time.Duration) time.Time {
	left := window - time.Duration(s.since(now))%window
	return now.Add(left)
}
