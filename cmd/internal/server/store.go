package server

import (
	"context"
	"log/slog"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/session"
)

// OpenStore opens the store of a server without a database. It does not connect yet.
type OpenStore func(StoreOptions) (*Store, error)

// StoreOptions say which store to open. All are required.
type StoreOptions struct {
	URL        string
	EventBytes int64 // of the largest event
	// Report returns what the server says about itself to others, as JSON. It is called once Presence runs.
	Report func() []byte
	Logger *slog.Logger
}

// Store stands in for the database of a server without one, an edge: it has a copy of the log, and a place for what servers share about
// their clients. All fields are required.
type Store struct {
	// Log is the copy of the log.
	Log source
	// Document returns what the spec gives, as Description writes it, and a number that changes whenever the text does.
	Document func(ctx context.Context) (text []byte, version uint64, err error)

	Tickets     auth.TicketStore
	Renewals    api.Renewals
	Revocations auth.RevocationStore // which is only read
	Presence    Presence

	// Listen passes what other servers notify to a function, until ctx ends: the connection whose renewal one requests.
	Listen func(ctx context.Context, onControl func(string))
}

// Presence tells other servers which users have streams here.
type Presence interface {
	session.PresenceTracker
	// Run writes changes until ctx ends.
	Run(ctx context.Context)
	// HasOther reports whether another server reads the same store.
	HasOther() bool
}
