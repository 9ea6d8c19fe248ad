package notify

import (
	"strings"
	"time"
)

// A waker is worth its polls from this many notifications in this time on: 100 a second. Fewer do no
// harm, and bring each event a little sooner than a poll would.
const (
	manyNotifications  = 20
	notificationWindow = 200 * time.Millisecond
)

// ringMeter tells whether triggers ring often.
type notificationMeter struct {
	since time.Time
	count int
}

// often counts one ring, and reports whether that makes too many.
func (m *notificationMeter) often(now time.Time) bool {
	if now.Sub(m.since) > notificationWindow {
		m.since, m.count = now, 0
	}
	m.count++
	return m.count >= manyNotifications
}

// What a waker rings with. It names the server, which need not be woken twice, and people in psql
// see that it is none of the triggers' notifications, which begin with the table.
const (
	leaderPrefix         = `{"waker": "`
	leaderDrainingSuffix = `", "successor": "wanted"}`
)

func leaderPayload(name string, leaving bool) string {
	if leaving {
		return leaderPrefix + name + leaderDrainingSuffix
	}
	return leaderPrefix + name + `"}`
}

// ring is a notification as the listener sees it.
type notification struct {
	fromLeader bool
	own        bool // by the waker of this server
	draining   bool // that waker ends, and may owe something
}

func parseNotification(payload, name string) notification {
	rest, byWaker := strings.CutPrefix(payload, leaderPrefix)
	return notification{
		fromLeader: byWaker,
		own:        byWaker && strings.HasPrefix(rest, name+`"`),
		draining:   byWaker && strings.HasSuffix(rest, leaderDrainingSuffix),
	}
}
