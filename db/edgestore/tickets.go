package edgestore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/stream/identity"
)

// Tickets keeps single-use tickets, under their hashes.
type Tickets struct{ store *Store }

// NewTickets returns the tickets of the store.
func NewTickets(store *Store) *Tickets { return &Tickets{store} }

const ticketVersion = 1

// ticket is the identity for which a ticket was issued. Times are Unix nanoseconds, 0 for none.
type ticket struct {
	Version int      `json:"v"` // ticketVersion: other JSON is no ticket
	User    string   `json:"user"`
	Roles   []string `json:"roles"`
	Grants  []string `json:"grants"`
	Expires int64    `json:"expires"`
	TokenID string   `json:"jti"`
	Issued  int64    `json:"iat"`
}

// Issue stores a ticket by its hash and returns when it expires.
func (t *Tickets) Issue(ctx context.Context, hash []byte, id identity.Identity, lifetime time.Duration) (expires time.Time, err error) {
	text, err := json.Marshal(ticket{ticketVersion, id.User, id.Roles, id.Grants, unixNano(id.Expires), id.TokenID, unixNano(id.IssuedAt)})
	if err == nil {
		err = t.store.client.Set(ctx, t.key(hash), text, lifetime).Err()
	}
	if err != nil {
		return time.Time{}, rediscall.Explain("issue a ticket", err)
	}
	return time.Now().Add(lifetime), nil
}

// Redeem deletes the ticket and returns its identity. valid is false if there is no such ticket, or the store holds something
// else in its place.
func (t *Tickets) Redeem(ctx context.Context, hash []byte) (id identity.Identity, valid bool, err error) {
	text, err := redis.NewScript(takeScript).Run(ctx, t.store.client, []string{t.key(hash)}, maxValueBytes).Text()
	switch {
	case errors.Is(err, redis.Nil):
		return identity.Identity{}, false, nil
	case err != nil:
		return identity.Identity{}, false, rediscall.Explain("redeem a ticket", err)
	}
	var found ticket
	if json.Unmarshal([]byte(text), &found) != nil || found.Version != ticketVersion {
		return identity.Identity{}, false, nil
	}
	slices.Sort(found.Roles) // identities are looked up by binary search
	slices.Sort(found.Grants)
	return identity.Identity{
		User: found.User, Roles: found.Roles, Grants: found.Grants, Expires: fromNano(found.Expires),
		TokenID: found.TokenID, IssuedAt: fromNano(found.Issued),
	}, true, nil
}

func (t *Tickets) key(hash []byte) string {
	return t.store.key(ticketPrefix + hex.EncodeToString(hash))
}
