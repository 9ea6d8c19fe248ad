package session

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/sse"
)

// ConnectionLength is the length of a connection id.
const ConnectionLength = 26

// lease is the lease of a session, the rights of the token that opened it, and the token with which the lease
// ends.
type lease struct {
	*sse.Lease
	rights        Rights
	user, tokenID string
	issuedAt      time.Time
}

// endIfRevoked ends the lease if its token was revoked. The caller holds mu, so that every revocation meets
// every lease: here, or in EndRevoked.
func (r *Registry) endIfRevoked(l *lease) (revoked bool) {
	if !r.opts.Revoked(auth.Identity{User: l.user, TokenID: l.tokenID, IssuedAt: l.issuedAt}) {
		return false
	}
	l.Revoke()
	return true
}

// EndRevoked ends the sessions whose tokens were revoked.
func (r *Registry) EndRevoked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.leases {
		r.endIfRevoked(l)
	}
}

// Disconnect ends the sessions of the tokens that match, and returns how many they were. A session that opens later with an
// identity from before ends, too. The caller has made sure that no identity from before is found any more.
func (r *Registry) Disconnect(matches func(auth.Identity) bool) (ended int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.add(matches, time.Now())
	for _, l := range r.leases {
		if matches(auth.Identity{User: l.user, TokenID: l.tokenID, IssuedAt: l.issuedAt}) && l.Disconnect() {
			ended++
		}
	}
	return ended
}

// HasEnded reports whether an identity is from before a disconnect that matches it.
func (r *Registry) HasEnded(id auth.Identity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recent.matches(id)
}

// Rights is a hash of an identity's user and grants. Only a token with the same rights renews a lease,
// because the stream keeps the grants with which it was opened.
type Rights [sha256.Size]byte

// RightsOf returns the rights of an identity.
func RightsOf(id auth.Identity) Rights {
	text, _ := json.Marshal([]any{id.User, append([]string{}, id.Grants...)}) // strings cannot fail
	return sha256.Sum256(text)
}

// Lease returns the rights and the end of a connection's lease. It returns false if no session of this
// server has the connection.
func (r *Registry) Lease(connection string) (rights Rights, end time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.leases[connection]
	if !ok {
		return Rights{}, time.Time{}, false
	}
	return l.rights, l.Until(), true
}

// Renew extends a connection's lease with the token of an identity, and returns its end. It never shortens a
// lease: the earlier token is still valid. It returns false if no session of this server has the
// connection, or if its token or the new one was revoked.
func (r *Registry) Renew(connection string, token auth.Identity) (end time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.leases[connection]
	if !ok || r.endIfRevoked(l) {
		return time.Time{}, false
	}
	token.User = l.user
	if r.opts.Revoked(token) {
		return time.Time{}, false
	}
	if token.Expires.After(l.Until()) {
		l.Renew(token.Expires)
		l.tokenID, l.issuedAt = token.TokenID, token.IssuedAt
	}
	return l.Until(), true
}
