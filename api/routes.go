package api

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// Config is what an API is made of. Ready is required.
type Config struct {
	// Feed is what /api/events streams; nil leaves it out.
	Feed *stream.Feed
	// Auth finds out who asks; nil asks nobody, and everybody may do everything.
	Auth auth.Checker
	// Roles are what Auth's identities must have for what is not for every user.
	Roles Roles
	// Ready returns nil if events are arriving, and otherwise why they are not.
	Ready func() error
	// Listener and Leader report to /api/stats. It leaves out what is nil, and both without Listener.
	Listener func() status.Listener
	Leader   func() status.Leader
	// Engine is a pool of the database with the schema pgherald, for POST /api/events and
	// /api/presence; nil leaves them out.
	Engine *pgxpool.Pool
	// Presence is told who has streams open; nil tells nobody.
	Presence Presence
	// Pool is where the activities are; nil leaves out /api/activities.
	Pool *pgxpool.Pool
	// Head returns the cursor of a transaction's snapshot. Required with Pool and Engine.
	Head Head
	// Limits let streams in; nil lets everybody in.
	Admission *admission.Controller
	// Origins are the pages of other origins that may use the API; nil is every one, to read.
	Origins *Origins
	// Page serves every other path; nil leaves it out.
	Page http.Handler
	// Heartbeat is the time between heartbeats; 30 s if 0.
	Heartbeat time.Duration
	// WriteTimeout is how long a write to a client may take before it counts as gone; 30 s if 0.
	WriteTimeout time.Duration
	// Goroutines serves each stream with a goroutine of its own, where there is a better way.
	Goroutines bool
	// MaxBody is the largest request body in bytes; 1 MiB if 0.
	MaxBody int64
	// Metrics count what happens; nil counts for nobody.
	Metrics *metrics.Metrics
	// Logger is told of streams and of our own errors.
	Logger *slog.Logger
	// Now and Retry make the bytes of a stream predictable in tests; nil means the clock, and a
	// random reconnection delay in milliseconds, so that clients do not return in one wave.
	Now   func() time.Time
	Retry func() int
}

func (c Config) withDefaults() Config {
	if c.Heartbeat <= 0 {
		c.Heartbeat = 30 * time.Second
	}
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 30 * time.Second
	}
	if c.Presence == nil {
		c.Presence = nobodyAsks{}
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	if c.Admission == nil {
		c.Admission = admission.New(admission.Options{})
	}
	if c.Origins == nil {
		c.Origins = &Origins{Allowed: []string{"*"}}
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New("")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Retry == nil {
		c.Retry = func() int { return 1000 + rand.IntN(3000) }
	}
	return c
}

// API is the HTTP side of a server.
type API struct {
	config      Config
	connections *connections
	streams     *sse.Server   // nil without a feed
	tickets     *auth.Tickets // nil if nobody checks tokens
	leases      *leases
	renewals    chan string     // connections that somebody asks to renew
	patience    time.Duration   // with who answers that; renewalPatience but in tests
	stopping    context.Context // done when the server drains
	stop        context.CancelFunc
}

// New returns the API. Close it: with a feed, it has goroutines that write to clients.
func New(config Config) (*API, error) {
	a := &API{
		config: config.withDefaults(), connections: newConnections(),
		leases: newLeases(), renewals: make(chan string, maxRenewals), patience: renewalPatience,
	}
	if err := a.config.Origins.Check(); err != nil {
		return nil, err
	}
	a.stopping, a.stop = context.WithCancel(context.Background())
	if a.config.Auth != nil && a.config.Engine != nil {
		a.tickets = auth.NewTickets(a.config.Engine)
	}
	if a.config.Feed == nil {
		return a, nil
	}
	var err error
	a.streams, err = sse.New(sse.Options{
		Feed: a.config.Feed, Heartbeat: a.config.Heartbeat, WriteTimeout: a.config.WriteTimeout,
		Now: a.config.Now, Retry: a.config.Retry, Meter: a.config.Metrics, Logger: a.config.Logger, Goroutines: a.config.Goroutines,
	})
	return a, err
}

// Drain makes the API report that it is not ready, and tells every stream, spread over the given
// time, to resume elsewhere, and ends it. It returns at once.
func (a *API) Drain(within time.Duration) {
	a.stop()
	a.streams.Drain(within)
}

// Shutdown waits until every stream has ended, or else until ctx does.
func (a *API) Shutdown(ctx context.Context) { a.streams.Shutdown(ctx) }

// Stalled is how many clients do not take what is due at the moment, and how many read from the log.
func (a *API) Stalled() (full, behind int) { return a.streams.Stalled() }

// Close ends what is left. A stream that is asked for later ends as it begins.
func (a *API) Close() {
	if a.streams != nil {
		a.streams.Close()
	}
}

// NextPass is when streams are served next, if events are being gathered: the log need not be read
// before. It is in the past otherwise.
func (a *API) NextPass() time.Time {
	if a.streams == nil {
		return time.Time{}
	}
	return a.streams.NextPass()
}

// Handler returns the routes.
func (a *API) Handler() http.Handler {
	r := mux.NewRouter()
	r.NotFoundHandler = problemHandler(http.StatusNotFound, "nothing is here: see docs/protocol.md for the paths there are")
	r.MethodNotAllowedHandler = methodNotAllowed(r)
	if a.streams != nil {
		r.HandleFunc("/api/events", a.withSlot(a.events)).Methods(http.MethodGet)
	}
	if a.config.Engine != nil {
		r.HandleFunc("/api/events", a.withRole(a.config.Roles.Publish, a.publish)).Methods(http.MethodPost)
		r.HandleFunc("/api/presence", a.identified(a.presence)).Methods(http.MethodGet, http.MethodHead)
	}
	if a.streams != nil && a.config.Auth != nil {
		r.HandleFunc("/api/events/{connection}/token", a.identified(a.renew)).Methods(http.MethodPost)
	}
	if a.tickets != nil {
		r.HandleFunc("/api/tickets", a.identified(a.ticket)).Methods(http.MethodPost)
	}
	r.HandleFunc("/api/stats", a.withRole(a.config.Roles.Operate, a.stats)).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/healthz", a.healthz).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", a.readyz).Methods(http.MethodGet, http.MethodHead)
	if a.config.Pool != nil {
		newActivities(a.config.Pool, a.config.Head, a.config.MaxBody, a.config.Logger).routes(r, a.identified, a.writers)
	}
	if a.config.Page != nil {
		r.PathPrefix("/").Handler(a.config.Page).Methods(http.MethodGet, http.MethodHead)
	}
	return sse.Shallow(modest(a.config.Origins.guard(r)))
}
