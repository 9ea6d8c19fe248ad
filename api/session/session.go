// Package session manages the open streams of a server. A session is a stream that package sse writes,
// together with its admission slot, its lease, its user's presence, and its counts in the metrics and in
// /api/stats.
//
//	Registry.Serve ──► Session ──► sse.Server writes the stream ──► Session.Close
//	                      │                                              │
//	                      └─ opens: slot, lease, counts,                 └─ closes all of them, once
//	                         presence, metrics
//
// # Promises
//
//   - Each session that opens closes exactly once, with a reason in the log output and in the metrics.
//   - Close releases everything that belongs to the session, even if the stream ended while it opened.
//   - A session takes 64 bytes, plus the names of its user and its client.
package session

import (
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
)

// Options configure a Registry. All fields are required, except Presence and Revoked.
type Options struct {
	// Streams writes the streams of the sessions.
	Streams *sse.Server
	// Presence tracks which users have sessions; nil tracks none.
	Presence PresenceTracker
	// Revoked reports whether the token of an identity was revoked. It must not block. nil: none was.
	Revoked func(auth.Identity) bool
	// Metrics counts the sessions.
	Metrics *metrics.Metrics
	// Logger receives a line for each session that opens, at level debug, or closes.
	Logger *slog.Logger
}

// PresenceTracker counts the sessions of users. Its methods must not block. The user is empty for an
// anonymous client.
type PresenceTracker interface {
	Opened(user string) // records that a session of the user opened
	Closed(user string) // records that a session of the user closed
}

// Registry holds the open sessions of a server. It is safe for concurrent use.
type Registry struct {
	opts Options

	mu     sync.Mutex
	leases map[string]*lease // by connection id; guarded by mu, as are the fields below
	total  uint64
	byName map[string]int // number of open sessions of each user
	recent recent
}

// NewRegistry returns a registry without sessions.
func NewRegistry(opts Options) *Registry {
	if opts.Presence == nil {
		opts.Presence = noPresence{}
	}
	if opts.Revoked == nil {
		opts.Revoked = func(auth.Identity) bool { return false }
	}
	return &Registry{opts: opts, leases: make(map[string]*lease), byName: make(map[string]int)}
}

type noPresence struct{}

func (noPresence) Opened(string) {}
func (noPresence) Closed(string) {}

// Client is the client of a session.
type Client struct {
	// Slot is the client's admission. The session releases it.
	Slot *admission.Slot
	// Remote is the client's address for the log output: the connection's address with its port or,
	// behind a trusted proxy, the address that the proxy reports.
	Remote   string
	Identity auth.Identity
}

// Session is one open stream with everything that Close releases. A Session must stay small, because a
// server may have a hundred thousand.
type Session struct {
	registry   atomic.Pointer[Registry] // nil once closed
	slot       *admission.Slot
	remote     string
	user       string // empty if anonymous
	connection string // the id under which its lease can be renewed; empty without a lease
}

// Serve opens a session for a client and serves its stream on a response that has begun, with sync as
// the first event. It returns as [sse.Server.Serve] does; the session may last longer.
func (r *Registry) Serve(re *sse.Response, c Client, sub *stream.Subscription, sync stream.Sync) {
	s := &Session{slot: c.Slot, remote: c.Remote, user: c.Identity.User}
	s.registry.Store(r)
	l := r.open(s, c.Identity)
	if l != nil {
		sync.Connection, sync.Expires = s.connection, c.Identity.Expires.UnixMilli()
	}
	r.opts.Presence.Opened(s.user)
	r.opts.Metrics.Opened(sync)
	logger := r.opts.Logger
	if sync.Reason != "" {
		logger = logger.With("reason", sync.Reason)
	}
	logger.Debug("stream opened", "remote", s.remote, "user", s.name(), "mode", sync.Mode)
	r.opts.Streams.Serve(re, &sse.Stream{Sub: sub, Sync: sync, Lease: l, Owner: s})
}

// open retains the slot, counts the session, and gives it a lease if its identity expires.
func (r *Registry) open(s *Session, id auth.Identity) *sse.Lease {
	s.slot.Retain()
	if !id.Expires.IsZero() {
		s.connection = rand.Text() // not guessable: only the client that received it can renew the lease
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	r.byName[s.name()]++
	if s.connection == "" {
		return nil
	}
	l := &lease{Lease: sse.NewLease(id.Expires), rights: RightsOf(id), user: id.User, tokenID: id.TokenID, issuedAt: id.IssuedAt}
	r.leases[s.connection] = l
	if !r.endIfRevoked(l) && r.recent.matches(id) { // since the identity was checked
		l.Disconnect()
	}
	return l.Lease
}

// Close releases everything that belongs to the session, and logs how its stream ended. It may be called
// from any goroutine; further calls do nothing.
func (s *Session) Close(end sse.End) {
	r := s.registry.Swap(nil)
	if r == nil {
		return
	}
	s.slot.Release()
	r.remove(s)
	r.opts.Presence.Closed(s.user)
	r.opts.Metrics.Closed(end.Reason, end.Duration)
	logger := r.opts.Logger
	if end.Err != nil {
		logger = logger.With("error", end.Err)
	}
	logger.Info("stream closed", "remote", s.remote, "user", s.name(), "reason", end.Reason,
		"duration_ms", end.Duration.Milliseconds(), "events", end.Events, "bytes", end.Bytes)
}

func (r *Registry) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, s.connection)
	name := s.name()
	if r.byName[name]--; r.byName[name] == 0 {
		delete(r.byName, name)
	}
}

// name returns the name of the user for logs and counts.
func (s *Session) name() string { return auth.Identity{User: s.user}.Name() }

// Counts are the numbers of a registry's sessions.
type Counts struct {
	Total  uint64         // opened since the start
	Active int            // open
	ByName map[string]int // open, by the name of the user
}

// Counts returns the numbers of sessions.
func (r *Registry) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Counts{Total: r.total, ByName: make(map[string]int, len(r.byName))}
	for name, n := range r.byName {
		c.ByName[name] = n
		c.Active += n
	}
	return c
}
