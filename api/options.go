package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// Option adds a feature to an API. The options are the types Auth, Hosts, EventTypes, Presence, Publishing, Listening,
// Triggers, Pruning, History, Operations, Origins, Routes, NoDatabase, Schema and Page. Of an option that is given several times, the last value applies; only the values of Routes add up.
type Option interface {
	addTo(f *features) error
}

// features are the optional features, as the options set them.
type features struct {
	auth       Auth // without Authenticator: every client is anonymous and may do everything
	tickets    *auth.Tickets
	presence   Presence
	publishing Publishing
	listening  Listening
	triggers   Triggers
	pruning    Pruning
	history    HistoryLog
	operations Operations
	origins    Origins
	hosts      Hosts
	types      *typeCheck // nil accepts every type
	routes     []Route
	elsewhere  []Route // without Handle
	schema     Schema
	page       http.Handler
}

func defaultFeatures() features { return features{hosts: Hosts{Allowed: browser.Hosts{"*"}}} }

// Hosts restricts the host names under which browsers reach the API. Without it, every name is permitted.
type Hosts struct{ Allowed browser.Hosts }

func (o Hosts) addTo(f *features) error {
	f.hosts = o
	return o.Allowed.Check()
}

// Auth identifies the client of every request except those for health and the page. Without it, every client is anonymous
// and may do everything.
//
// A stream ends when the token that opened it expires. Auth adds POST /api/events/{connection}/token, with which a client
// renews that lease.
type Auth struct {
	// Authenticator identifies the client of a request. Required.
	Authenticator auth.Authenticator
	// OperatorRole is the role that may read /api/stats; no identity may if it is empty.
	OperatorRole string
	// Tickets adds POST /api/tickets, and tickets in place of tokens for GET /api/events; nil leaves them out.
	Tickets auth.TicketStore
	// Renewals lets a client renew a lease at any server; nil allows it only at the server that has the stream.
	Renewals Renewals
	// Revocations adds POST /api/revocations, and refuses the tokens that the store names; nil leaves both out. Streams end
	// with the revocation only if their identities expire.
	Revocations auth.RevocationStore
	// Disconnects adds POST /api/disconnect, which needs Revocations; nil leaves it out.
	Disconnects auth.DisconnectStore
}

// Renewals passes requests to renew a lease to the server that has the stream.
type Renewals interface {
	// Request stores a request to renew the lease of a connection with the token of an identity, and notifies all servers, which then call
	// API.RenewalRequested.
	Request(ctx context.Context, connection string, rights []byte, id auth.Identity) error
	// Result returns the answer to a request. answered is false while no server has answered. accepted is false if the
	// stream has other rights; otherwise until is the new end of the lease.
	Result(ctx context.Context, connection string, rights []byte) (until time.Time, accepted, answered bool, err error)
	// Answer answers an open request for a stream with the given rights, whose lease ends at end. If the rights are those of
	// the request, it calls renew before the requester can read the answer, with the part of the identity that says when its token ends, and
	// which token it is. Without an open request it does nothing.
	Answer(ctx context.Context, connection string, rights []byte, end time.Time, renew func(auth.Identity) bool) error
}

func (o Auth) addTo(f *features) error {
	if o.Authenticator == nil {
		return errors.New("make the API: Auth.Authenticator is required")
	}
	f.auth, f.tickets = o, nil
	if o.Tickets != nil {
		f.tickets = auth.NewTickets(o.Tickets)
	}
	return nil
}

// Presence tracks which users have streams.
type Presence struct {
	// Tracker counts the streams that open and close; nil counts none.
	Tracker session.PresenceTracker
	// List adds GET /api/presence; nil leaves it out.
	List PresenceList
}

// PresenceList reads which users are online.
type PresenceList interface {
	// Online returns the users who are online at any server, each with the time since when, and the cursor of the same
	// snapshot.
	Online(ctx context.Context) (since map[string]time.Time, cursor stream.Cursor, err error)
}

func (o Presence) addTo(f *features) error {
	f.presence = o
	return nil
}

// Publishing adds POST /api/events, which appends a custom event to the log.
type Publishing struct {
	Publisher Publisher // required
	// Role is the role that may publish. With Auth, no identity may if it is empty.
	Role string
}

// Publisher appends custom events to the log.
type Publisher interface {
	// Publish appends an event and returns its id. A nil audience makes it public. For an invalid argument the error is a
	// *pgconn.PgError with SQLSTATE 22023, the argument's name as its ColumnName, and a message for the client.
	Publish(ctx context.Context, eventType string, data json.RawMessage, key *string, audience []string) (id int64, err error)
}

func (o Publishing) addTo(f *features) error {
	if o.Publisher == nil {
		return errors.New("make the API: Publishing.Publisher is required")
	}
	f.publishing = o
	return nil
}

// Listening adds the status of the listener and of the notify leader to /api/stats. A nil field adds nothing.
type Listening struct {
	Listener func() status.Listener
	Leader   func() status.Leader
}

func (o Listening) addTo(f *features) error {
	f.listening = o
	return nil
}

// Triggers adds what the last check of the triggers found to /api/stats, and a warning to /readyz, which does not
// become 503: events of other tables still arrive.
type Triggers struct{ Status func() status.Triggers }

func (o Triggers) addTo(f *features) error {
	f.triggers = o
	return nil
}

// Pruning adds what this server has pruned from the log to /api/stats.
type Pruning struct{ Status func() status.Pruner }

func (o Pruning) addTo(f *features) error {
	f.pruning = o
	return nil
}

// Routes adds the routes of an application.
type Routes []Route

func (o Routes) addTo(f *features) error {
	f.routes = append(f.routes, o...)
	return nil
}

// Page serves every path that no other route matches, for GET and HEAD.
type Page struct{ http.Handler }

func (o Page) addTo(f *features) error {
	f.page = o.Handler
	return nil
}
