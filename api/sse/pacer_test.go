package sse

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// load lets events come at a fixed interval for a while, each of which wants a pass of a fixed
// cost, and returns the longest hold and the number of passes.
func load(p *pacer, every, cost, during time.Duration) (longest time.Duration, passes int) {
	now := time.Unix(1764000000, 0)
	end := now.Add(during)
	for now.Before(end) {
		wait := p.wait(now)
		longest = max(longest, wait)
		now = now.Add(wait)
		began := now
		now = now.Add(cost)
		p.spent(began, cost, 1+int(wait/every))
		passes++
		if rest := every - wait - cost; rest > 0 {
			now = now.Add(rest)
		}
	}
	return longest, passes
}

func TestPacerHoldsNothingBackAtLowRates(t *testing.T) {
	for name, c := range map[string]struct{ every, cost time.Duration }{
		"a thousand clients, 20 events a second": {50 * time.Millisecond, 10 * time.Millisecond},
		"a hundred clients, 200 events a second": {5 * time.Millisecond, time.Millisecond},
		"once a second, to all there are":        {time.Second, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if longest, _ := load(&pacer{shards: 1}, c.every, c.cost, 10*time.Second); longest > 0 {
				t.Errorf("events were held back for up to %v", longest)
			}
		})
	}
}

func TestPacerLetsPassesRestUnderLoad(t *testing.T) {
	longest, passes := load(&pacer{shards: 1}, time.Millisecond, 10*time.Millisecond, 10*time.Second)
	if longest > maxGather || passes > 200 || passes < 150 {
		t.Errorf("%d passes in 10 s, events held back for up to %v", passes, longest)
	}
}

// What is gathered anyway may be gathered for a little longer; a single event every 50 ms may not.
func TestPacerGathersForLonger(t *testing.T) {
	for events, want := range map[int]time.Duration{1: maxHold, gathered - 1: maxHold, gathered: maxGather} {
		p := &pacer{shards: 1}
		began := time.Unix(1764000000, 0)
		for range 5 { // whatever was saved up is spent
			p.spent(began, maxHold, events)
		}
		if got := p.wait(began); got != want {
			t.Errorf("after %d events for each client the next pass waits %v, want %v", events, got, want)
		}
	}
}

func TestPacerLetsCheapPassesGo(t *testing.T) {
	longest, passes := load(&pacer{shards: 1}, time.Millisecond, 300*time.Microsecond, 10*time.Second)
	if longest > 0 || passes < 9900 {
		t.Errorf("%d passes in 10 s, events held back for up to %v", passes, longest)
	}
}

func TestPacerCountsAllShards(t *testing.T) {
	_, alone := load(&pacer{shards: 1}, time.Millisecond, 2*time.Millisecond, 10*time.Second)
	_, four := load(&pacer{shards: 4}, time.Millisecond, time.Millisecond/2, 10*time.Second)
	if ratio := float64(four) / float64(alone); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("%d passes over all clients, %d over a quarter of them", alone, four)
	}
}

func TestPacerNeverHoldsForLong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pacer{shards: rapid.IntRange(1, 64).Draw(t, "shards")}
		now := time.Unix(1764000000, 0)
		for range rapid.IntRange(1, 50).Draw(t, "passes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "quiet")))
			wait := p.wait(now)
			if wait < 0 || wait > maxGather {
				t.Fatalf("wait %v", wait)
			}
			began := now.Add(wait)
			cost := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "cost"))
			now = began.Add(cost)
			p.spent(began, cost, rapid.IntRange(0, 5).Draw(t, "events"))
		}
	})
}
