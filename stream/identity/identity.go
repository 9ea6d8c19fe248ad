// Package identity holds what db and api say to each other about users and their tokens: plain data, which imports nothing of
// ours.
package identity

import (
	"slices"
	"time"
)

// anonymous is the display name of the anonymous user.
const anonymous = "anonymous"

// Identity is the user of a request. The zero Identity is anonymous: it has no roles and no grants, and
// does not expire.
type Identity struct {
	User string // empty if anonymous
	// Roles and Grants are sorted and without duplicates. Grants are matched against the audience of
	// events.
	Roles, Grants []string
	// Expires is the end of the identity's validity; zero means never.
	Expires time.Time
	// TokenID is the token's claim jti, empty if it has none. IssuedAt is its claim iat, zero if it has none.
	// A revocation names one of them.
	TokenID  string
	IssuedAt time.Time
	// Identified is the time, by this server's clock, at which it began to look for the identity; zero if that is not known.
	// No store keeps it.
	Identified time.Time
}

// HasExpired reports whether the identity is no longer valid.
func (id Identity) HasExpired(now time.Time) bool {
	return !id.Expires.IsZero() && !now.Before(id.Expires)
}

// Name returns the user, or "anonymous", for logs and statistics.
func (id Identity) Name() string {
	if id.User == "" {
		return anonymous
	}
	return id.User
}

// HasRole reports whether the identity has the role.
func (id Identity) HasRole(role string) bool {
	_, ok := slices.BinarySearch(id.Roles, role)
	return ok
}
