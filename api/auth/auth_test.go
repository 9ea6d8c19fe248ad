package auth_test

import (
	"testing"

	"github.com/pgherald/pgherald/api/auth"
)

func TestZeroIdentityIsAnonymous(t *testing.T) {
	var anonymous auth.Identity
	if anonymous.Name() != "anonymous" || anonymous.HasRole("") || anonymous.HasRole("operator") {
		t.Errorf("the zero Identity has name %q and roles %v", anonymous.Name(), anonymous.Roles)
	}
}

func TestHasRole(t *testing.T) {
	id := auth.Identity{User: "alice", Roles: []string{"nurse", "operator"}}
	if id.Name() != "alice" || !id.HasRole("nurse") || id.HasRole("nurse,operator") {
		t.Errorf("identity %+v has the wrong name or roles", id)
	}
}
