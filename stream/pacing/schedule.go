package pacing

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

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
