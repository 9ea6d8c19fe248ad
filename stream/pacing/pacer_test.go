package pacing

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// load simulates events at a fixed interval, each of which needs a pass of a fixed cost. It returns
// the longest hold and the number of passes.
func load(p *Pacer, every, cost, during time.Duration) (longest time.Duration, passes int) {
	now := time.Unix(1764000000, 0)
	end := now.Add(during)
	for now.Before(end) {
		wait := p.Wait(now)
		longest = max(longest, wait)
		now = now.Add(wait)
		began := now
		now = now.Add(cost)
		p.Record(began, cost, 1+int(wait/every))
		passes++
		if idle := every - wait - cost; idle > 0 {
			now = now.Add(idle)
		}
	}
	return longest, passes
}

func TestPacerDoesNotHoldAtLowRates(t *testing.T) {
	for name, c := range map[string]struct{ every, cost time.Duration }{
		"1,000 clients, 20 events a second": {50 * time.Millisecond, 10 * time.Millisecond},
		"100 clients, 200 events a second":  {5 * time.Millisecond, time.Millisecond},
		"20,000 clients, 1 event a second":  {time.Second, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPacer(1)
			if longest, _ := load(&p, c.every, c.cost, 10*time.Second); longest > 0 {
				t.Errorf("longest hold: got %v, want 0", longest)
			}
		})
	}
}

func TestPacerHoldsExpensivePasses(t *testing.T) {
	p := NewPacer(1)
	longest, passes := load(&p, time.Millisecond, 10*time.Millisecond, 10*time.Second)
	if longest > MaxGather || passes > 200 || passes < 150 {
		t.Errorf("in 10 s: got %d passes and a longest hold of %v, want 150 to 200 and at most %v", passes, longest, MaxGather)
	}
}

// Events that are gathered anyway may be gathered for longer; one event every 50 ms may not.
func TestPacerHoldsLongerWithSeveralEvents(t *testing.T) {
	for events, want := range map[int]time.Duration{1: MaxHold, gatheredEvents - 1: MaxHold, gatheredEvents: MaxGather} {
		p := NewPacer(1)
		began := time.Unix(1764000000, 0)
		for range 5 { // use up the credit
			p.Record(began, MaxHold, events)
		}
		if got := p.Wait(began); got != want {
			t.Errorf("hold after a pass with %d events a client: got %v, want %v", events, got, want)
		}
	}
}

func TestPacerDoesNotHoldCheapPasses(t *testing.T) {
	p := NewPacer(1)
	longest, passes := load(&p, time.Millisecond, 300*time.Microsecond, 10*time.Second)
	if longest > 0 || passes < 9900 {
		t.Errorf("in 10 s: got %d passes and a longest hold of %v, want at least 9900 and 0", passes, longest)
	}
}

func TestPacerCountsTheCostOfAllShards(t *testing.T) {
	one, quarter := NewPacer(1), NewPacer(4)
	_, alone := load(&one, time.Millisecond, 2*time.Millisecond, 10*time.Second)
	_, four := load(&quarter, time.Millisecond, time.Millisecond/2, 10*time.Second)
	if ratio := float64(four) / float64(alone); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("got %d passes with four shards, want about %d as with one", four, alone)
	}
}

func TestPacerHoldIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPacer(rapid.IntRange(1, 64).Draw(t, "shards"))
		now := time.Unix(1764000000, 0)
		for range rapid.IntRange(1, 50).Draw(t, "passes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "quiet")))
			wait := p.Wait(now)
			if wait < 0 || wait > MaxGather {
				t.Fatalf("hold: got %v, want 0 to %v", wait, MaxGather)
			}
			began := now.Add(wait)
			cost := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "cost"))
			now = began.Add(cost)
			p.Record(began, cost, rapid.IntRange(0, 5).Draw(t, "events"))
		}
	})
}
