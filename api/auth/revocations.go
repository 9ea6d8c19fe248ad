package auth

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Revocation names tokens that end before they expire: the one with the TokenID or, if that is empty, those
// issued before a time, of a user or, if that is empty too, of every user. A token that does not say when it
// was issued is issued before every time.
type Revocation struct {
	TokenID      string
	User         string
	IssuedBefore time.Time // zero with a TokenID, and for a new revocation of a user: now
}

// RevocationStore stores revocations. All servers share it.
type RevocationStore interface {
	// Revoke stores a revocation and notifies all servers, which then call API.RevocationsChanged. expires is the end of
	// the last of the tokens, zero if that is not known. For an invalid argument the error is a *pgconn.PgError with
	// SQLSTATE 22023, the argument's name as its ColumnName, and a message for the client.
	Revoke(ctx context.Context, revocation Revocation, expires time.Time) error
	// Read returns the revocations since an earlier call, and since for the next call. It may return one again. With since
	// 0 it returns all.
	Read(ctx context.Context, since uint64) (list []Revocation, next uint64, err error)
	// Prune deletes the revocations whose tokens have all expired.
	Prune(ctx context.Context) error
}

// Revocations is a set of revocations. It is safe for concurrent use.
type Revocations struct {
	mu     sync.RWMutex // guards the fields below
	loaded bool
	tokens map[string]struct{}
	users  map[string]time.Time // by user, and by "" for all: tokens issued before it are revoked
}

// NewRevocations returns a set that is not loaded.
func NewRevocations() *Revocations {
	return &Revocations{tokens: make(map[string]struct{}), users: make(map[string]time.Time)}
}

// Add adds revocations.
func (r *Revocations) Add(list []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(list)
}

// Replace replaces the set by a complete list. The set is loaded then.
func (r *Revocations) Replace(list []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens, r.users, r.loaded = make(map[string]struct{}), make(map[string]time.Time), true
	r.add(list)
}

func (r *Revocations) add(list []Revocation) {
	for _, v := range list {
		switch {
		case v.TokenID != "":
			r.tokens[v.TokenID] = struct{}{}
		case v.IssuedBefore.After(r.users[v.User]):
			r.users[v.User] = v.IssuedBefore
		}
	}
}

// Contains reports whether the token of an identity was revoked.
func (r *Revocations) Contains(id Identity) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.contains(id)
}

func (r *Revocations) contains(id Identity) bool {
	if _, ok := r.tokens[id.TokenID]; ok && id.TokenID != "" {
		return true
	}
	return id.IssuedAt.Before(r.users[id.User]) || id.IssuedAt.Before(r.users[""])
}

// Check returns an *Error if the token of an identity was revoked, or if the set is not loaded: a server that
// does not know what was revoked accepts no token.
func (r *Revocations) Check(id Identity) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case !r.loaded:
		return &Error{
			Status: http.StatusServiceUnavailable, Code: "revocations_unavailable", RetryAfter: time.Second,
			Detail: "the server has not read yet which tokens were revoked: try again in a moment",
		}
	case r.contains(id):
		return unauthorized("token_revoked", "the token was revoked: get a new one")
	}
	return nil
}
