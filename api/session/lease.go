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

// lease is the lease of a session, and the rights of the token that opened it.
type lease struct {
	*sse.Lease
	rights Rights
}

// Rights are a hash of an identity's user and grants. Only a token with the same rights renews a lease:
// then the events that the stream has received, and those that it withheld, stay the right ones.
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

// Renew extends a connection's lease to until, and returns its end. It never shortens a lease: the
// earlier token is still valid. It returns false if no session of this server has the connection.
func (r *Registry) Renew(connection string, until time.Time) (end time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.leases[connection]
	if !ok {
		return time.Time{}, false
	}
	if until.After(l.Until()) {
		l.Renew(until)
	}
	return l.Until(), true
}
