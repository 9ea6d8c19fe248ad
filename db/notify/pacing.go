package notify

import "time"

// A leader is worth its polls from manyNotifications in one notificationWindow on: 100 a second.
// Fewer notifications do no harm, and each brings its event a little sooner than a poll would.
const (
	manyNotifications  = 20
	notificationWindow = 200 * time.Millisecond
)

// A window of polls is quiet if fewer than quietFinds of them found events, and fewer than one in
// quietShare: some 50 commits a second. This is half the rate at which a leader is wanted, so that a
// steady load does not make it come and go.
const (
	quietFinds = 10
	quietShare = 3
)

// maxLockAttempts is how often a leader tries to acquire the lock. An attempt fails while any writer
// shares the lock, which each does for an instant.
const maxLockAttempts = 20

// pollAhead is how long before the server's next fan-out pass the leader polls for it.
const pollAhead = 2 * time.Millisecond

// maxPassWait bounds the wait for the server's next fan-out pass, in multiples of MaxPoll.
const maxPassWait = 4

// maxDrainInterval bounds the time between polls that wait for long transactions.
const maxDrainInterval = 250 * time.Millisecond

// pollInterval returns the time between polls at a rate of transactions a second: 1 ms up to 1,000,
// and 3.5 ms more for each thousand beyond. At a low rate a short interval brings events sooner and
// the machine has time to spare; at a high rate each poll takes time from the writers.
func pollInterval(rate float64) time.Duration {
	return time.Duration(float64(time.Millisecond) * (1 + 3.5*max(0, rate-1000)/1000))
}

// drainInterval returns the time between polls of a drain that has lasted for waited. It grows with
// the age of the transactions: one that took ten seconds may take another fifth of a second.
func drainInterval(shortest, waited time.Duration) time.Duration {
	return max(shortest, min(waited/50, maxDrainInterval))
}

// nextPoll returns the time until the next poll. A server that gathers events until its next fan-out
// pass gains nothing from polls in between; other servers do, so the wait is bounded.
func (o *LeaderOptions) nextPoll(interval time.Duration) time.Duration {
	if o.NextPass == nil {
		return interval
	}
	return max(interval, min(time.Until(o.NextPass())-pollAhead, maxPassWait*o.MaxPoll))
}

// notificationMeter counts the notifications of writers.
type notificationMeter struct {
	since time.Time
	count int
}

// isBusy counts a notification that arrived at now, and reports whether a leader is wanted.
func (m *notificationMeter) isBusy(now time.Time) bool {
	if now.Sub(m.since) > notificationWindow {
		m.since, m.count = now, 0
	}
	m.count++
	return m.count >= manyNotifications
}
