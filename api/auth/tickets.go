package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"time"
)

// TicketParam is the query parameter with a ticket.
const TicketParam = "ticket"

// TicketLifetime is the time for which a ticket is valid.
const TicketLifetime = 30 * time.Second

// TicketStore stores tickets under their hashes. All servers share it.
type TicketStore interface {
	// Issue stores a ticket for an identity and returns when it expires.
	Issue(ctx context.Context, hash []byte, id Identity, lifetime time.Duration) (expires time.Time, err error)
	// Redeem removes a ticket, whether it has expired or not, and returns its identity. Of concurrent calls for one
	// ticket, at most one returns valid.
	Redeem(ctx context.Context, hash []byte) (id Identity, valid bool, err error)
}

// Tickets issues single-use tickets in exchange for tokens. Clients that can send only a URL need them, such as a browser's
// EventSource. A ticket that a log contains is useless: it was redeemed or has expired.
//
// A ticket ends with the token for which it was issued.
type Tickets struct{ store TicketStore }

// NewTickets returns tickets in the store.
func NewTickets(store TicketStore) *Tickets { return &Tickets{store: store} }

// Issue returns a new ticket for an identity, and when it expires.
func (t *Tickets) Issue(ctx context.Context, id Identity) (ticket string, expires time.Time, err error) {
	ticket = rand.Text()
	lifetime := TicketLifetime
	if !id.Expires.IsZero() {
		lifetime = min(lifetime, time.Until(id.Expires))
	}
	expires, err = t.store.Issue(ctx, hashOf(ticket), id, lifetime)
	return ticket, expires, err
}

// Redeem returns the identity for which the ticket was issued. No later call redeems the same ticket. The error is an
// *Error if the ticket is not valid.
func (t *Tickets) Redeem(ctx context.Context, ticket string) (Identity, error) {
	id, valid, err := t.store.Redeem(ctx, hashOf(ticket))
	if err == nil && !valid {
		err = unauthorized("ticket", "the ticket is not valid: each is for one use within 30 seconds. Get another one at /api/tickets")
	}
	if err == nil && id.HasExpired(time.Now()) {
		err = Expired() // by the server's clock, as for the token itself: the store's may differ
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

func hashOf(ticket string) []byte {
	sum := sha256.Sum256([]byte(ticket))
	return sum[:]
}
