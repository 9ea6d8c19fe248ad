package outages

import (
	"slices"
	"testing"
	"time"
)

// TestCertainRollbacks leaves out those of right before a crash: PostgreSQL may not have written them, and use their ids
// again.
func TestCertainRollbacks(t *testing.T) {
	at := time.Now()
	w := &writer{rolledBack: []rollback{{"1", at.Add(-time.Minute)}, {"2", at.Add(-time.Second)}, {"3", at.Add(time.Second)}, {"4", at.Add(time.Minute)}}}
	if got := w.certainRollbacks([]period{{at, at.Add(2 * time.Second)}}); !slices.Equal(got, []string{"1", "4"}) {
		t.Errorf("%v", got)
	}
	if got := w.certainRollbacks(nil); len(got) != 4 {
		t.Errorf("without a crash: %v", got)
	}
}

// TestCheckSilence rejects a silence that no fault excuses, and a reset.
func TestCheckSilence(t *testing.T) {
	now := time.Now()
	f, s := &follower{}, &soak{}
	for _, silent := range []time.Duration{silenceLimit - time.Second, silenceLimit + time.Second} {
		if err := s.checkSilence(f); err != nil {
			t.Error(err)
		}
		f.heard = now.Add(-silent)
		f.endSilence(now)
	}
	if s.checkSilence(f) == nil {
		t.Error("a silence was accepted")
	}
	s.stalls.periods = []period{{now.Add(-silenceLimit), now.Add(-silenceLimit + 2*time.Second)}}
	if err := s.checkSilence(f); err != nil {
		t.Errorf("during a stall: %v", err)
	}
	s.stalls.periods = []period{{now.Add(-time.Minute), now.Add(-silenceLimit - time.Second/2)}} // too short a part of it
	if s.checkSilence(f) == nil {
		t.Error("a silence was accepted that is longer than a stall")
	}
	s.excused = []period{{now.Add(-time.Second), now}}
	if err := s.checkSilence(f); err != nil {
		t.Errorf("during a fault: %v", err)
	}
	f.Feed([]byte("id: c\ndata: {\"type\":\"sync\",\"data\":{\"mode\":\"reset\",\"reason\":\"other_log\"}}\n\n"), now)
	if checkResets(f) == nil {
		t.Error("a reset was accepted")
	}
}
