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
	// QuietFinds and QuietShare end a term. It ends when, in one PollWindow, fewer than QuietFinds
	// polls and fewer than one poll in QuietShare found events. That is some 50 commits a second, half
	// of the rate at which a term begins, so that a steady rate does not begin and end terms over and
	// over.
	QuietFinds = 10
	QuietShare = 3
	// PollAhead is how long before a fan-out pass the leader polls: the poll and the read that
	// follows it must end before the pass begins.
	PollAhead = 2 * time.Millisecond
	// GatherPolls bounds the time between polls while the leader's own server holds a pass back, in
	// longest poll intervals. It bounds the latency of the other servers' events.
	GatherPolls = 4
	// MaxDrainInterval bounds the time between polls while the leader drains.
	MaxDrainInterval = 250 * time.Millisecond
	// LockAttempts is how often a candidate tries to take the leader's lock. Writers that check the
	// lock hold it for an instant each, and can make an attempt fail.
	LockAttempts = 20
	// SessionTimeout is how long PostgreSQL waits for a silent leader before it ends the leader's
	// session.
	SessionTimeout = 2 * time.Second
)

// A server tries to lead once BusyNotifications arrive within BusyWindow: 100 a second. Below that
// rate the writers' own notifications cost little, and arrive a little earlier than those of a leader
// that polls.
const (
	BusyNotifications = 20
	BusyWindow        = 200 * time.Millisecond
)

// Times and sizes of the feed, which reads the log.
const (
	// FallbackInterval is the time between reads without a wake-up. It bounds the delay of an event
	// whose wake-up was lost.
	FallbackInterval = time.Second
	// ReadAhead is how long before a fan-out pass the log is read for it.
	ReadAhead = time.Millisecond
	// AnswerTimeout is how long the log may be silent before the server reports that it is not ready.
	AnswerTimeout = 3 * time.Second
	// StaleAfter is how long after the last successful read clients learn that the log cannot be read.
	StaleAfter = 5 * time.Second
	// ReadPatience is how long a read may take before the feed is stale, even if it began late within
	// StaleAfter: it is longer than that by at most FallbackInterval less half a second.
	ReadPatience = 4500 * time.Millisecond
	// FlushBytes is how much of a long read the feed encodes before it appends the part to the ring
	// buffer.
	FlushBytes = 1 << 20
)

// Times and sizes of the shards, which write to clients.
const (
	// MaxWrite is the size at which a write to a client is sent, in bytes. It may exceed this by one
	// frame.
	MaxWrite = 256 << 10
	// DrainSweepInterval is the longest time between two sweeps while the server drains: a shorter
	// one spreads the ends of streams more evenly.
	DrainSweepInterval = 20 * time.Millisecond
	// FreshnessInterval is how often a server of streams looks whether the feed is stale.
	FreshnessInterval = 200 * time.Millisecond
	// StaleRepeat is how often, at least, a client learns again that the log cannot be read. With
	// maxSweepInterval, no stream is silent for 10 s meanwhile, also on a busy machine.
	StaleRepeat = 6 * time.Second
	// StaleSpread is the time over which streams end that have been stale for too long.
	StaleSpread = 4 * time.Second
	// maxSweepInterval and minSweepInterval bound SweepInterval.
	maxSweepInterval = time.Second
	minSweepInterval = time.Millisecond
)

// PollInterval returns the time between polls at a rate in transactions a second. Up to 1,000 it is
// MinPollInterval, and each thousand beyond adds 3.5 ms: the more is written, the more a poll slows
// the writers down. The caller applies MaxPollInterval.
func PollInterval(rate float64) time.Duration {
	return time.Duration(float64(MinPollInterval) * (1 + 3.5*max(0, rate-1000)/1000))
}

// DrainInterval returns the time between polls for a leader that has been draining for the time
// drained: 2 % of it, at least shortest and at most MaxDrainInterval.
func DrainInterval(shortest, drained time.Duration) time.Duration {
	return max(shortest, min(drained/50, MaxDrainInterval))
}

// SweepInterval returns how often a shard checks its clients' deadlines: a 30th of the shorter period,
// which is exact enough for both, but between 1 ms and 1 s.
func SweepInterval(heartbeat, writeTimeout time.Duration) time.Duration {
	return min(max(min(heartbeat, writeTimeout)/30, minSweepInterval), maxSweepInterval)
}
