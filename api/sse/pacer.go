package sse

import "time"

// From the beginning of a pass to the beginning of the next, a shard lets pass about the square of
// what the pass took, over squareOver, and at most maxHold: after a pass of 0.3 ms 0.5 ms, after 1 ms
// 5 ms, after 3 ms and more 45 ms. So events are gathered when a write to everybody has come to cost
// so much that gathering them saves work, and not when they are many but cheap. 22 passes a second
// are free, however much they cost.
const (
	squareOver = 200 * time.Microsecond
	maxHold    = 45 * time.Millisecond
)

// maxCredit is how much of that a shard saves up while little happens, so that only a sustained
// load is held back and not a burst after quiet.
const maxCredit = 3 * maxHold

// pacer decides when the next pass may begin.
type pacer struct {
	shards int           // that work at the same time, and together cost as much as one alone would
	credit time.Duration // below 0, the next pass waits
	last   time.Time     // when credit was last counted
	passed time.Time     // when the last pass began
}

// wait is how long the next pass must wait, counted from now.
func (p *pacer) wait(now time.Time) time.Duration {
	p.earn(now)
	return max(0, min(-p.credit, maxHold-now.Sub(p.passed)))
}

// spent notes a pass.
func (p *pacer) spent(began, ended time.Time) {
	p.earn(began)
	p.passed = began
	p.credit -= p.hold(ended.Sub(began))
	p.credit = max(p.credit, -maxHold) // a longer hold is never made
}

// hold is how far from the next pass a pass is to be that took so long.
func (p *pacer) hold(took time.Duration) time.Duration {
	took = min(min(took, maxHold)*time.Duration(p.shards), maxHold)
	return min(maxHold, took*took/squareOver)
}

func (p *pacer) earn(now time.Time) {
	p.credit = min(maxCredit, p.credit+now.Sub(p.last))
	p.last = now
}
