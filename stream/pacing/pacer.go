package pacing

import "time"

// Constants of the pacer. See the table in the package documentation.
const (
	// MaxHold is the longest hold after a pass that wrote few events to each client. 20 passes a
	// second are never held back, however much they cost.
	MaxHold = 45 * time.Millisecond
	// MaxGather is the longest hold after a pass that wrote several events to each client.
	MaxGather = 52 * time.Millisecond

	costUnit       = 200 * time.Microsecond
	minHold        = time.Millisecond
	gatheredEvents = 3
	maxCredit      = 3 * MaxHold
)

// Pacer decides when a shard may begin its next fan-out pass. Waking a client costs the same for one
// event and for twenty, so gathering events saves work when passes are expensive.
//
// The time from the beginning of a pass to that of the next is the hold. It is cost² / 0.2 ms, where
// cost is the processor time of the pass: 0.5 ms for a cost of 0.3 ms, 5 ms for 1 ms, and [MaxHold] or
// [MaxGather] for 3 ms and more. So cheap passes are not held back, however many there are. Time in
// which no pass was necessary counts as credit, up to 135 ms, so that a burst after a quiet time is
// not held back either.
//
// Only one goroutine may use a Pacer. A hold is between 0 and MaxGather.
type Pacer struct {
	shards int           // work in parallel, so a pass of all costs this many times a pass of one
	limit  time.Duration // of the hold after the last pass
	credit time.Duration // below 0, the next pass waits
	earned time.Time     // the time up to which credit was added
	passed time.Time     // when the last pass began
}

// NewPacer returns the pacer of one of the given number of shards.
func NewPacer(shards int) Pacer { return Pacer{shards: shards} }

// Wait returns how long from now the next pass must wait, 0 if it may begin at once.
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

// earn adds the time since the last call to the credit.
func (p *Pacer) earn(now time.Time) {
	p.credit = min(maxCredit, p.credit+now.Sub(p.earned))
	p.earned = now
}
