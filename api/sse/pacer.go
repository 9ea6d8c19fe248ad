package sse

import "time"

// From the beginning of a pass to the beginning of the next, a shard lets pass about the square of
// what the pass cost in processor time, over squareOver, and at most maxHold: after a pass of 0.3 ms
// 0.5 ms, after 1 ms 5 ms, after 3 ms and more 45 ms. So events are gathered when a write to everybody
// has come to cost so much that gathering them saves work, and not when they are many but cheap. 20
// passes a second are free, however much they cost. When several events were due to each client
// anyway, it is maxGather at most.
const (
	squareOver = 200 * time.Microsecond
	maxHold    = 45 * time.Millisecond
	maxGather  = 52 * time.Millisecond
	minHold    = time.Millisecond // Go's timers take as long, or longer
)

// gathered is from how many events for each client on a pass has gathered them.
const gathered = 3

// maxCredit is how much of that a shard saves up while little happens, so that only a sustained
// load is held back and not a burst after quiet.
const maxCredit = 3 * maxHold

// pacer decides when the next pass may begin.
type pacer struct {
	shards int           // that work at the same time, and together cost as much as one alone would
	limit  time.Duration // of a hold, by what the last pass had gathered
	credit time.Duration // below 0, the next pass waits
	last   time.Time     // when credit was last counted
	passed time.Time     // when the last pass began
}

// wait is how long the next pass must wait, counted from now.
func (p *pacer) wait(now time.Time) time.Duration {
	p.earn(now)
	wait := min(-p.credit, p.limit-now.Sub(p.passed))
	if wait < minHold {
		return 0
	}
	return wait
}

// spent notes a pass, what it cost, and how many events each client was sent in it.
func (p *pacer) spent(began time.Time, cost time.Duration, events int) {
	p.earn(began)
	p.passed, p.limit = began, maxHold
	if events >= gathered {
		p.limit = maxGather
	}
	p.credit -= p.hold(cost)
	p.credit = max(p.credit, -p.limit) // a longer hold is never made
}

// hold is how far from the next pass a pass is to be that cost so much.
func (p *pacer) hold(cost time.Duration) time.Duration {
	cost = min(min(cost, maxHold)*time.Duration(p.shards), maxHold)
	return min(p.limit, cost*cost/squareOver)
}

func (p *pacer) earn(now time.Time) {
	p.credit = min(maxCredit, p.credit+now.Sub(p.last))
	p.last = now
}
