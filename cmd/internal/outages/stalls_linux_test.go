package outages

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// The times of stalls.
const (
	stallTick = 100 * time.Millisecond
	stallMin  = 500 * time.Millisecond // what a busy machine does anyway is shorter
)

// stalls are the times when this process stood still, and most likely the whole machine with it. No server is at fault then.
type stalls struct {
	mu      sync.Mutex
	periods []period
}

// run notes stalls until ctx ends.
func (s *stalls) run(ctx context.Context) {
	ticker := time.NewTicker(stallTick)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if now.Sub(last) > stallMin {
			s.mu.Lock()
			s.periods = append(s.periods, period{last, now})
			s.mu.Unlock()
		}
		last = now
	}
}

// within returns how much of a time was stalls.
func (s *stalls) within(from, to time.Time) (sum time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.periods {
		first, last := p.from, p.to
		if first.Before(from) {
			first = from
		}
		if last.After(to) {
			last = to
		}
		sum += max(0, last.Sub(first))
	}
	return sum
}

// isSilence returns whether a client was left without a word for longer than silenceLimit. Only stalls within the gap excuse it.
func (s *stalls) isSilence(g judge.Gap) bool {
	return !g.Warned && g.Length()-s.within(g.From, g.To) > silenceLimit
}

func TestStallsOutsideAGapDoNotExcuseIt(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	long := int(silenceLimit/time.Second) + 2
	gap := judge.Gap{From: at(100), To: at(100 + long)}
	warned := gap
	warned.Warned = true
	for name, c := range map[string]struct {
		gap   judge.Gap
		stall period
		want  bool
	}{
		"no stall":       {gap, period{}, true},
		"before":         {gap, period{at(50), at(90)}, true},
		"after":          {gap, period{at(100 + long), at(200)}, true},
		"a second of it": {gap, period{at(50), at(101)}, true},
		"within":         {gap, period{at(105), at(108)}, false},
		"all the time":   {gap, period{at(50), at(200)}, false},
		"warned":         {warned, period{}, false},
	} {
		if got := (&stalls{periods: []period{c.stall}}).isSilence(c.gap); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
