package auth

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream/identity"
)

// Revocation names tokens that end before they expire.
type Revocation = identity.Revocation

// RevocationStore stores revocations. All servers share it.
type RevocationStore interface {
	// Revoke stores a revocation and notifies all servers, which then call API.RevocationsChanged. expires is the end of
	// the last of the tokens, zero if that is not known. For an invalid argument the error is a *pgconn.PgError with
	// SQLSTATE 22023, the argument's name as its ColumnName, and a message for the client.
	Revoke(ctx context.Context, revocation Revocation, expires time.Time) error
	// Read returns the revocations and disconnects since an earlier call, and since for the next call. It may return one
	// again. With since 0 it returns all.
	Read(ctx context.Context, since uint64) (list []Revocation, disconnects []Disconnect, next uint64, err error)
	// Prune deletes the revocations whose tokens have all expired, and the disconnects that have no effect any more.
	Prune(ctx context.Context) error
}

// Revocations is a set of revocations, and of disconnects that bar tokens. It is safe for concurrent use.
type Revocations struct {
	mu     sync.RWMutex // guards the fields below
	loaded bool
	tokens map[string]struct{}
	users  map[string]time.Time // by user, and by "" for all: tokens issued before it are revoked
	bars   bars
}

// NewRevocations returns a set that is not loaded.
func NewRevocations() *Revocations {
	return &Revocations{tokens: make(map[string]struct{}), users: make(map[string]time.Time), bars: newBars()}
}

// Add adds revocations and disconnects.
func (r *Revocations) Add(list []Revocation, disconnects []Disconnect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(list)
	r.bars.add(disconnects, time.Now())
}

// Replace replaces the set by complete lists. The set is loaded then.
func (r *Revocations) Replace(list []Revocation, disconnects []Disconnect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens, r.users, r.bars, r.loaded = make(map[string]struct{}), make(map[string]time.Time), newBars(), true
	r.add(list)
	r.bars.add(disconnects, time.Now())
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

// Bars reports whether the token of an identity was revoked or is barred.
func (r *Revocations) Bars(id Identity) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.contains(id) || r.bars.until(id).After(time.Now())
}

func (r *Revocations) contains(id Identity) bool {
	if _, ok := r.tokens[id.TokenID]; ok && id.TokenID != "" {
		return true
	}
	return id.IssuedAt.Before(r.users[id.User]) || id.IssuedAt.Before(r.users[""])
}

// Check returns an *Error if the token of an identity was revoked or is barred, or if the set is not loaded: a server that
// does not know what was revoked accepts no token.
func (r *Revocations) Check(id Identity) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case !r.loaded:
		return &Error{
			Status: http.StatusServiceUnavailable, Code: "revocations_unavailable", RetryAfter: time.Second, IsExpected: true,
			Detail: "the server has not read yet which tokens were revoked: try again in a moment",
		}
	case r.contains(id):
		return unauthorized("token_revoked", "the token was revoked: get a new one")
	}
	if left := time.Until(r.bars.until(id)); left > 0 {
		return barred(left)
	}
	return nil
}
