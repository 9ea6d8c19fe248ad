package auth

import (
	"net/http"
	"slices"
	"time"
)

// anonymous is the name of whoever has none.
const anonymous = "anonymous"

// Identity is who a request comes from. The zero Identity is anonymous: it has no roles and no
// grants, and does not end.
type Identity struct {
	User string // empty is anonymous
	// Roles and Grants are sorted, each once. Grants are compared to the audiences of events.
	Roles, Grants []string
	// Expires is when the identity stops to count; zero is never.
	Expires time.Time
}

// Name is the user's name, for people to read.
func (id Identity) Name() string {
	if id.User == "" {
		return anonymous
	}
	return id.User
}

// Has reports whether the role is one of the identity's.
func (id Identity) Has(role string) bool {
	_, ok := slices.BinarySearch(id.Roles, role)
	return ok
}

// Checker finds out who a request comes from. The error is an *Error if the request is to blame.
type Checker interface {
	Check(r *http.Request) (Identity, error)
}
