package auth_test

import (
	"testing"

	"github.com/pgherald/pgherald/api/auth"
)

func TestTheZeroIdentityIsAnonymous(t *testing.T) {
	var nobody auth.Identity
	if nobody.Name() != "anonymous" || nobody.Has("") || nobody.Has("operator") {
		t.Errorf("name %q, roles %v", nobody.Name(), nobody.Roles)
	}
	somebody := auth.Identity{User: "alice", Roles: []string{"nurse", "operator"}}
	if somebody.Name() != "alice" || !somebody.Has("nurse") || somebody.Has("nurse,operator") {
		t.Errorf("somebody %+v", somebody)
	}
}
