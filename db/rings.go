package db

import (
	"strings"
	"time"
)

// A waker is worth its polls from this many notifications in this time on: 100 a second. Fewer do no
// harm, and bring each event a little sooner than a poll would.
const (
	manyRings  = 20
	ringWindow = 200 * time.Millisecond
)

// ringMeter tells whether triggers ring often.
type ringMeter struct {
	since time.Time
	rings int
}

// often counts one ring, and reports whether that makes too many.
func (m *ringMeter) often(now time.Time) bool {
	if now.Sub(m.since) > ringWindow {
		m.since, m.rings = now, 0
	}
	m.rings++
	return m.rings >= manyRings
}

// What a waker rings with. It names the server, which need not be woken twice, and people in psql
// see that it is none of the triggers' notifications, which begin with the table.
const (
	wakerPrefix  = `{"waker": "`
	wakerLeaving = `", "successor": "wanted"}`
)

func wakerPayload(name string, leaving bool) string {
	if leaving {
		return wakerPrefix + name + wakerLeaving
	}
	return wakerPrefix + name + `"}`
}

// ring is a notification as the listener sees it.
type ring struct {
	byWaker bool
	own     bool // by the waker of this server
	leaving bool // that waker ends, and may owe something
}

func parseRing(payload, name string) ring {
	rest, byWaker := strings.CutPrefix(payload, wakerPrefix)
	return ring{
		byWaker: byWaker,
		own:     byWaker && strings.HasPrefix(rest, name+`"`),
		leaving: byWaker && strings.HasSuffix(rest, wakerLeaving),
	}
}
