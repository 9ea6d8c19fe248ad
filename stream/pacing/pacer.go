package pacing

import "time"

// Constants of the pacer. See the table in the package documentation.
const (
	// MaxHold is the longest time between the beginnings of two passes if each client was sent few
	// events. 20 passes a second are never held back, however much they cost.
	MaxHold = 45 * time.Millisecond
	// MaxGather is the same if each client was sent several events: those are gathered anyway.
	MaxGather = 52 * time.Millisecond

	costUnit       = 200 * time.Microsecond
	minHold        = time.Millisecond
	gatheredEvents = 3
	maxCredit      = 3 * MaxHold
)

// Pacer decides when a shard may begin its next fan-out pass. Waking a client costs the same for one
// event and for twenty, so gathering events saves work where a pass has come to cost much.
//
// Between the beginnings of two passes it lets pass the square of the first one's cost in processor
// time, over 0.2 ms: 0.5 ms after a pass of 0.3 ms, 5 ms after 1 ms, [MaxHold] or [MaxGather] after
// 3 ms and more. So many cheap events are not held back. Time in which no pass was necessary is
// saved as credit, 135 ms at most, so that a burst after quiet is not held back either.
//
// A Pacer belongs to one goroutine. Its holds are between 0 and MaxGather.
type Pacer struct {
	shards int           // shards that work in parallel; together they cost as much as one would alone
	limit  time.Duration // of the hold after the last pass
	credit time.Duration // below 0, the next pass waits
	earned time.Time     // until when credit counts
	passed time.Time     // when the last pass began
}

// NewPacer returns the pacer of one of the given number of shards.
func NewPacer(shards int) Pacer { return Pacer{shards: shards} }

// Wait returns how long the next pass has to wait, counted from now. It returns 0 if the pass may
// begin at once.
func (p *Pacer) Wait(now time.Time) time.Duration {
	p.earn(now)
	wait := min(-p.credit, p.limit-now.Sub(p.passed))
	if wait < minHold {
		return 0
	}
	return wait
}

// Record notes a pass: when it began, what it cost in processor time, and how many events it wrote to
// each client.
func (p *Pacer) Record(began time.Time, cost time.Duration, events int) {
	p.earn(began)
	p.passed, p.limit = began, MaxHold
	if events >= gatheredEvents {
		p.limit = MaxGather
	}
	p.credit -= p.hold(cost)
	p.credit = max(p.credit, -p.limit) // a longer hold is never made
}

// hold returns the time from the beginning of a pass of the given cost to that of the next.
func (p *Pacer) hold(cost time.Duration) time.Duration {
	cost = min(min(cost, MaxHold)*time.Duration(p.shards), MaxHold)
	return min(p.limit, cost*cost/costUnit)
}

func (p *Pacer) earn(now time.Time) {
	p.credit = min(maxCredit, p.credit+now.Sub(p.earned))
	p.earned = now
}
