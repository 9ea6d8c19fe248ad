package session

import (
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
)

func isAlice(id auth.Identity) bool { return id.User == "alice" }

// A session that opens after a disconnect, with an identity from before it, ends.
func TestSessionWithAnIdentityFromBeforeADisconnect(t *testing.T) {
	k := newKit(t)
	before := time.Now()
	k.registry.Disconnect(isAlice)
	for name, c := range map[string]struct {
		user       string
		identified time.Time
		ends       bool
	}{
		"before":       {"alice", before, true},
		"after":        {"alice", time.Now().Add(time.Second), false},
		"another user": {"bob", before, false},
		"no time":      {"alice", time.Time{}, false},
	} {
		id := auth.Identity{User: c.user, Identified: c.identified, Expires: before.Add(time.Hour)}
		lease := k.registry.open(&Session{user: c.user, slot: new(admission.Slot)}, id)
		if ended := lease.Until().Before(before); ended != c.ends || k.registry.HasEnded(id) != c.ends {
			t.Errorf("%s: ended %v, want %v", name, ended, c.ends)
		}
	}
}

// What is remembered of disconnects is bounded, and what is not remembered counts as one of all users.
func TestRecentDisconnectsAreBounded(t *testing.T) {
	var r recent
	began := time.Now()
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Millisecond) }
	bob := func(n int) auth.Identity { return auth.Identity{User: "bob", Identified: at(n)} }
	for i := range maxRecent + 10 {
		r.add(isAlice, at(i))
	}
	if len(r.list) != maxRecent || !r.matches(bob(9)) || r.matches(bob(10)) {
		t.Errorf("%d disconnects; of before the dropped ones: %v, of after them: %v", len(r.list), r.matches(bob(9)), r.matches(bob(10)))
	}
	r.add(isAlice, at(10).Add(recentTime))
	if len(r.list) != maxRecent || r.matches(bob(11)) {
		t.Errorf("a minute later: %d disconnects", len(r.list))
	}
	r.add(isAlice, began.Add(time.Hour))
	if len(r.list) != 1 || !r.matches(bob(11)) {
		t.Errorf("an hour later: %d disconnects", len(r.list))
	}
}
