package notify

import (
	"strings"
	"time"

	"github.com/pgherald/pgherald/stream/pacing"
)

// notificationMeter counts the notifications of writers.
type notificationMeter struct {
	since time.Time
	count int
}

// isBusy counts a notification that arrived at now, and reports whether a leader is wanted.
func (m *notificationMeter) isBusy(now time.Time) bool {
	if now.Sub(m.since) > pacing.BusyWindow {
		m.since, m.count = now, 0
	}
	m.count++
	return m.count >= pacing.BusyNotifications
}

// notification holds what a listener needs from the payload of a wake-up.
type notification struct {
	fromLeader bool
	own        bool // from the leader of the same server
	draining   bool // from a leader that stopped before its drain had ended
}

// parseNotification reads the payload that the listener called name has received. Any role can send
// a payload, so every string is valid.
func parseNotification(payload, name string) notification {
	rest, fromLeader := strings.CutPrefix(payload, leaderPrefix)
	return notification{
		fromLeader: fromLeader,
		own:        fromLeader && strings.HasPrefix(rest, name+`"`),
		draining:   fromLeader && strings.HasSuffix(rest, leaderDrainingSuffix),
	}
}
