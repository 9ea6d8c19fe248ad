package pacing

import "time"

// Times of the notify leader, which polls the log and sends wake-ups for the writers.
const (
	// MinPollInterval is the time between two polls up to 1,000 transactions a second.
	MinPollInterval = time.Millisecond
	// MaxPollInterval bounds the time between two polls however much is written.
	MaxPollInterval = 6 * time.Millisecond
	// PollWindow is the time over which the leader measures how much is written.
	PollWindow = 200 * time.Millisecond
	// QuietFinds and QuietShare end a term: in one PollWindow, fewer than QuietFinds polls and fewer
	// than one in QuietShare found something. That is some 50 commits a second, half of the rate at
	// which a term begins, so that a steady rate does not make terms begin and end all the time.
	QuietFinds = 10
	QuietShare = 3
	// PollAhead is how long before a fan-out pass the leader polls: the poll and the read that
	// follows it must end before the pass begins.
	PollAhead = 2 * time.Millisecond
	// GatherPolls times the longest poll interval is the longest pause while the leader's own server
	// holds passes back. It bounds the latency of the other servers.
	GatherPolls = 4
	// MaxDrainInterval bounds the time between polls while the leader drains.
	MaxDrainInterval = 250 * time.Millisecond
	// LockAttempts is how often a candidate tries to take the leader's lock. Writers that check the
	// lock hold it for an instant each, and can make an attempt fail.
	LockAttempts = 20
	// SessionTimeout is how long PostgreSQL waits for a silent leader before it ends its session.
	SessionTimeout = 2 * time.Second
)

// A leader is worth its polls from BusyNotifications within BusyWindow on: 100 a second. Fewer
// notifications do no harm, and bring each event a little sooner than a poll would.
const (
	BusyNotifications = 20
	BusyWindow        = 200 * time.Millisecond
)

// Times and sizes of the feed, which reads the log.
const (
	// FallbackInterval is the time between reads without a wake-up. It bounds how late an event can
	// be when its wake-up was lost.
	FallbackInterval = time.Second
	// ReadAhead is how long before a fan-out pass the log is read for it.
	ReadAhead = time.Millisecond
	// AnswerTimeout is how long the log may be silent before the server reports that it is not ready.
	AnswerTimeout = 3 * time.Second
	// FlushBytes is how much of a long read the feed encodes before it appends the part to the ring
	// buffer.
	FlushBytes = 1 << 20
)

// Times and sizes of the shards, which write to clients.
const (
	// MaxWrite is about how many bytes one write to a client holds.
	MaxWrite = 256 << 10
	// DrainSweepInterval is the longest time between two sweeps while the server drains. It decides
	// how evenly the ends of streams are spread.
	DrainSweepInterval = 20 * time.Millisecond
	// maxSweepInterval and minSweepInterval bound SweepInterval.
	maxSweepInterval = time.Second
	minSweepInterval = time.Millisecond
)

// PollInterval returns the time between polls at a rate in transactions a second: MinPollInterval up
// to 1,000, and 3.5 ms longer for each thousand beyond. Few writers gain by events that come soon,
// and the machine has time to poll; many writers lose by each poll. The caller applies its bounds.
func PollInterval(rate float64) time.Duration {
	return time.Duration(float64(MinPollInterval) * (1 + 3.5*max(0, rate-1000)/1000))
}

// DrainInterval returns the time between polls for a leader that has drained for so long: 2 % of
// that, at least shortest and at most MaxDrainInterval.
func DrainInterval(shortest, drained time.Duration) time.Duration {
	return max(shortest, min(drained/50, MaxDrainInterval))
}

// SweepInterval returns how often a shard checks its clients' deadlines: a 30th of the shorter period
// is often enough for both, and not more than once a second is cheap for many clients.
func SweepInterval(heartbeat, writeTimeout time.Duration) time.Duration {
	return min(max(min(heartbeat, writeTimeout)/30, minSweepInterval), maxSweepInterval)
}
