package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/auth"
)

func TestRevocations(t *testing.T) {
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	r := auth.NewRevocations()
	if code := codeOf(t, r.Check(auth.Identity{User: "alice"})); code != "revocations_unavailable" {
		t.Errorf("before the set is loaded: code %q", code)
	}
	r.Replace([]auth.Revocation{{TokenID: "t1"}, {User: "alice", IssuedBefore: at(10)}}, nil)
	r.Add([]auth.Revocation{{User: "alice", IssuedBefore: at(5)}, {IssuedBefore: at(-100)}, {TokenID: "t2"}}, nil)
	for name, c := range map[string]struct {
		id      auth.Identity
		revoked bool
	}{
		"by id":                 {auth.Identity{User: "bob", TokenID: "t1", IssuedAt: at(100)}, true},
		"by another id":         {auth.Identity{User: "bob", TokenID: "t2", IssuedAt: at(100)}, true},
		"other id":              {auth.Identity{User: "bob", TokenID: "t3", IssuedAt: at(100)}, false},
		"no id":                 {auth.Identity{User: "bob", IssuedAt: at(100)}, false},
		"by user":               {auth.Identity{User: "alice", IssuedAt: at(9)}, true},
		"issued at that time":   {auth.Identity{User: "alice", IssuedAt: at(10)}, false},
		"by user, without iat":  {auth.Identity{User: "alice"}, true},
		"by time":               {auth.Identity{User: "bob", IssuedAt: at(-101)}, true},
		"by time, without iat":  {auth.Identity{User: "bob"}, true},
		"issued after the time": {auth.Identity{User: "bob", IssuedAt: at(-100)}, false},
	} {
		if got := r.Contains(c.id); got != c.revoked {
			t.Errorf("%s: revoked %v, want %v", name, got, c.revoked)
		}
		if code := codeOf(t, r.Check(c.id)); (code == "token_revoked") != c.revoked {
			t.Errorf("%s: code %q", name, code)
		}
	}
	r.Replace(nil, nil)
	if r.Contains(auth.Identity{User: "alice", TokenID: "t1"}) {
		t.Error("a revocation is left after the set was replaced")
	}
}

// A bar has an end that a client can read, whatever its row says.
func TestBarThatHardlyEnds(t *testing.T) {
	r := auth.NewRevocations()
	r.Replace(nil, []auth.Disconnect{{User: "alice", Until: time.Now().AddDate(1000, 0, 0)}})
	err := r.Check(auth.Identity{User: "alice", IssuedAt: now})
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "disconnected" || e.RetryAfter < time.Hour || e.RetryAfter > 366*24*time.Hour {
		t.Errorf("%+v", err)
	}
}
