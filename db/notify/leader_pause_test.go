package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// A waker looks at the log just before its own streams are written to, and for the other servers at
// least every four times MaxPoll.
func TestWakerWaitsForTheNextPass(t *testing.T) {
	const ms = time.Millisecond
	for until, want := range map[time.Duration]time.Duration{-time.Hour: ms, 0: ms, 3 * ms / 2: ms, 7 * ms: 5 * ms, 45 * ms: 24 * ms} {
		synctest.Test(t, func(t *testing.T) {
			s := pacing.NewSchedule()
			s.NewPassTime().Set(time.Now().Add(until))
			o := LeaderOptions{Schedule: s}.withDefaults()
			if got := o.nextPoll(ms); got != want {
				t.Errorf("a pass is %v away: the next poll is in %v, want %v", until, got, want)
			}
		})
	}
	o := LeaderOptions{}.withDefaults()
	if got := o.nextPoll(3 * ms); got != 3*ms {
		t.Errorf("with no streams to know of, the next poll is in %v", got)
	}
}
