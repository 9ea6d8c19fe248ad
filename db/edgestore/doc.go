// Package edgestore keeps in Redis or Valkey what servers without a database, the edges, share about their clients: tickets,
// requests to renew leases, and who is online. It also holds what the relay passes from the database to them: revocations.
//
// # Promises
//
//   - A ticket of one edge opens one stream, at any edge.
//   - An edge that has never read the revocations reports an error, so that it accepts no token.
//   - What the store holds may be anything: an edge takes garbage for nothing, or returns an error.
//   - Presence.Opened and Presence.Closed never wait for the store. An edge that the store has forgotten writes all its users
//     again.
//
// All keys that edges write begin with edge: behind the hash tag, so that their user of the store may be one that writes to no others. A
// program that can write to these can name any user in a ticket: docs/threat-model.md says what follows.
package edgestore

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
)

// Store is a Redis or Valkey, and the names of the keys in it.
type Store struct {
	client redis.UniversalClient
	reader *rediscall.Reader
	key    func(name string) string
}

// New returns the store of a client. key returns the whole key of a name; all keys share one hash tag.
func New(client redis.UniversalClient, key func(name string) string) *Store {
	return &Store{client: client, reader: rediscall.NewReader(client), key: key}
}

// The names of the keys. The relay writes revokedName, and edges the others.
const (
	revokedName   = "revoked"
	ticketPrefix  = "edge:ticket:"
	requestPrefix = "edge:renewal:"
	answerPrefix  = "edge:renewed:"
	controlName   = "edge:control"
	aliveName     = "edge:alive"
	versionsName  = "edge:versions"
	reportsName   = "edge:reports"
	onlinePrefix  = "edge:online:"
)

// unixNano returns 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// fromNano returns the zero time for 0.
func fromNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
