package sse

import "time"

// windowEnd is when the window ends that a moment lies in. The windows of everybody begin and end at
// the same times, so that what is put together for one client will do for the others.
func windowEnd(now time.Time, window time.Duration) time.Time {
	n, w := now.UnixNano(), int64(window)
	return time.Unix(0, (n/w+1)*w)
}
