package pacing

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

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

// Schedule holds the time of the next fan-out pass of each shard. The shards publish these times. The
// feed and the notify leader delay a read or a poll until shortly before the earliest, so that one
// read serves all events that are written meanwhile. It is safe for concurrent use.
//
// A nil *Schedule delays nothing.
type Schedule struct {
	start   time.Time // times are counted from here; see Schedule.sinceStart
	unpaced atomic.Int64

	mu     sync.Mutex
	passes []*PassTime // guarded by mu
}

// NewSchedule returns a schedule without shards.
func NewSchedule() *Schedule { return &Schedule{start: time.Now()} }

// Delay returns how long to wait so that the time ahead remains until the next fan-out pass. It
// returns 0 if the pass is closer or its time is not known, and if there are no clients.
func (s *Schedule) Delay(ahead time.Duration) time.Duration {
	if s == nil || s.unpaced.Load() > 0 {
		return 0
	}
	next := s.first()
	if next == noClients {
		return 0
	}
	return max(0, time.Duration(next-s.sinceStart(time.Now()))-ahead)
}

// first returns the earliest pass of all shards, or noClients.
func (s *Schedule) first() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := int64(noClients)
	for _, p := range s.passes {
		first = min(first, p.next.Load())
	}
	return first
}

// AddUnpaced adds n streams, or removes them if n is negative, that are written to as soon as the
// feed changes. While there are any, Delay returns 0.
func (s *Schedule) AddUnpaced(n int) { s.unpaced.Add(int64(n)) }

// NewPassTime adds a shard, and returns where it publishes its next pass. The shard has no clients
// yet.
func (s *Schedule) NewPassTime() *PassTime {
	p := &PassTime{schedule: s}
	p.next.Store(noClients)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes = append(s.passes, p)
	return p
}

// sinceStart returns the nanoseconds from start to the moment, by the monotonic clock.
func (s *Schedule) sinceStart(moment time.Time) int64 { return int64(moment.Sub(s.start)) }

// PassTime holds the time of one shard's next fan-out pass.
type PassTime struct {
	schedule *Schedule
	next     atomic.Int64 // see Schedule.sinceStart; 0 if a pass may come at any time, or noClients
}

// noClients is the time of a shard without clients: nothing waits for its passes.
const noClients = math.MaxInt64

// Set publishes that the shard makes no pass before next.
func (p *PassTime) Set(next time.Time) { p.next.Store(p.schedule.sinceStart(next)) }

// SetIdle publishes that the shard has no clients.
func (p *PassTime) SetIdle() { p.next.Store(noClients) }

// SetActive publishes that the shard has clients. If it had none before, it may make a pass at any
// time.
func (p *PassTime) SetActive() { p.next.CompareAndSwap(noClients, 0) }
