package sse

import "time"

// A shard spends about this share of a processor on passes, all shards together, and holds events
// back for at most maxHold: at 1,000 clients a pass takes 10 ms, so 20 events a second still go out
// as they come, and of 120 a second some six go out together, at a quarter of the work.
const (
	passShare = 0.22
	maxHold   = 50 * time.Millisecond
)

// pacer decides when the next pass may begin. It saves up while little happens, so that a burst
// after quiet is not held back, and only a sustained load is.
type pacer struct {
	shards int           // how many share the processor's share
	credit time.Duration // what may be spent at once; below 0 it was overdrawn
	last   time.Time     // when credit was last counted
	passed time.Time     // when the last pass began
}

// maxCredit is what a shard saves up: a pass over a thousand clients or two.
const maxCredit = 20 * time.Millisecond

// wait is how long the next pass must wait, counted from now.
func (p *pacer) wait(now time.Time) time.Duration {
	p.earn(now)
	if p.credit >= 0 {
		return 0
	}
	until := time.Duration(float64(-p.credit) / p.rate())
	return max(0, min(until, maxHold-now.Sub(p.passed)))
}

// spent notes a pass.
func (p *pacer) spent(began, ended time.Time) {
	p.earn(ended)
	p.passed = began
	p.credit -= ended.Sub(began)
	// What is overdrawn beyond the longest hold would never be waited for.
	p.credit = max(p.credit, -time.Duration(float64(maxHold)*p.rate()))
}

func (p *pacer) earn(now time.Time) {
	p.credit = min(maxCredit, p.credit+time.Duration(float64(now.Sub(p.last))*p.rate()))
	p.last = now
}

func (p *pacer) rate() float64 { return passShare / float64(p.shards) }
