package session

import (
	"slices"
	"time"

	"github.com/pgherald/pgherald/api/auth"
)

// Bounds of what a registry remembers of disconnects. A request has its session, or is refused, within seconds.
const (
	recentTime = time.Minute
	maxRecent  = 1000
)

// recent remembers the disconnects of the last minute, for the requests that had their identity before one, and whose
// session opens after it. The zero value remembers none.
type recent struct {
	list []disconnect // the oldest first
	// dropped is the time of the newest one that is no longer in the list. It counts as one of all users: a stream that
	// ends without need resumes.
	dropped time.Time
}

type disconnect struct {
	at      time.Time
	matches func(auth.Identity) bool
}

func (r *recent) add(matches func(auth.Identity) bool, now time.Time) {
	r.list = append(r.list, disconnect{now, matches})
	old := 0
	for len(r.list)-old > maxRecent || now.Sub(r.list[old].at) > recentTime {
		old++
	}
	if old > 0 {
		r.dropped = r.list[old-1].at
		r.list = slices.Delete(r.list, 0, old)
	}
}

// matches reports whether an identity is from before a disconnect that matches it.
func (r *recent) matches(id auth.Identity) bool {
	if id.Identified.IsZero() {
		return false
	}
	for _, d := range slices.Backward(r.list) {
		if id.Identified.After(d.at) {
			return false
		}
		if d.matches(id) {
			return true
		}
	}
	return !id.Identified.After(r.dropped)
}
