package auth

import "net/http"

// Error is why a request is refused, in words for its sender.
type Error struct {
	Status int    // of HTTP: 401 if another token would do, 403 if none of this user's will
	Code   string // which check failed, for programs
	Detail string // the same for people, and what to do
}

func (e *Error) Error() string { return e.Detail }

// RoleRequired refuses somebody who is known and may not.
func RoleRequired() *Error {
	return &Error{http.StatusForbidden, "role_required", "your token has no role that may do this: ask for one, or for another token"}
}
