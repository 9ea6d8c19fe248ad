package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/api/page"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/pacing"
)

// databaseTimeout bounds the time of one request in the database. Otherwise requests that wait for a lock could hold all
// connections of the pool.
const databaseTimeout = 10 * time.Second

// Config holds the settings of every API. Feed and Ready are required; the zero value of any other field is its default.
type Config struct {
	// Feed has the events that GET /api/events streams.
	Feed *stream.Feed
	// Collections are those that clients may select: the same as of the feed. nil means none.
	Collections *collection.Set
	// Settle waits until the server knows the present collections and types; nil says that it always does.
	Settle request.Settle
	// Ready returns nil while the server receives events, otherwise the reason why not. /readyz/events reports it.
	Ready func() error
	// Streams are the settings of event streams.
	Streams Streams
	// Requests limits the requests of one client that use the database at the same time; nil does not.
	Requests *admission.Requests
	// MaxBody is the maximum length of a request's body in bytes; 1 MiB if 0.
	MaxBody int64
	// BodyBytes bounds the memory of the larger bodies of all requests; 32 MiB if 0.
	BodyBytes int64
	// PageBytes bounds the memory of the larger pages of events that are being sent; 32 MiB if 0.
	PageBytes int64
	// Metrics counts streams and rejections; nil discards the counts.
	Metrics *metrics.Metrics
	// Logger logs streams and failed requests; nil discards them.
	Logger *slog.Logger
}

// Streams are the settings of event streams.
type Streams struct {
	// Admission limits the number of streams; nil admits all.
	Admission *admission.Controller
	// Heartbeat is the time between two heartbeats; 8 s if 0.
	Heartbeat time.Duration
	// WriteTimeout is the time within which a client must accept a write; 30 s if 0.
	WriteTimeout time.Duration
	// StaleLimit is the time without a read of the log after which streams end, if HasAlternative says that another server may
	// have the events; 0 means never. A nil HasAlternative says no.
	StaleLimit     time.Duration
	HasAlternative func() bool
	// Schedule receives the times of the fan-out passes; nil discards them.
	Schedule *pacing.Schedule
	// Goroutines serves each stream with a goroutine of its own, even where the system has epoll.
	Goroutines bool
	// Compress sends gzip to the clients that accept it. Only public events are compressed.
	Compress bool
	// Now is the clock of heartbeats; time.Now if nil.
	Now func() time.Time
	// Retry returns the time in milliseconds after which a client reconnects. If nil, the time is random between 1 and
	// 4 s, so that clients do not all reconnect at once.
	Retry func() int
}

func (c Config) withDefaults() Config {
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	if c.Collections == nil {
		c.Collections, _ = collection.NewSet(nil) // no two collections contradict each other
	}
	if c.Requests == nil {
		c.Requests = admission.NewRequests(admission.RequestOptions{})
	}
	if c.BodyBytes <= 0 {
		c.BodyBytes = 32 << 20
	}
	if c.PageBytes <= 0 {
		c.PageBytes = 32 << 20
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New("")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &c.Streams
	if s.Admission == nil {
		s.Admission = admission.New(admission.Options{})
	}
	if s.Heartbeat <= 0 {
		s.Heartbeat = 8 * time.Second
	}
	if s.WriteTimeout <= 0 {
		s.WriteTimeout = 30 * time.Second
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return c
}

// API serves HTTP. Make it with New, serve its Handler, run it with Run, and Close it.
type API struct {
	config   Config
	features features

	streams  *sse.Server
	sessions *session.Registry
	bodies   *request.Bodies
	pages    *page.Budget

	revocations *revocations

	pageScan time.Duration // see maxPageScan

	renewals       chan string   // connections with an open renewal request
	renewalTimeout time.Duration // for another server's answer; the constant, except in tests

	draining context.Context // done once Drain is called
	drain    context.CancelFunc
}

// New returns an API with the features that the options add. It returns an error if an option is invalid or the operating
// system has no resources for streams.
func New(config Config, options ...Option) (*API, error) {
	a := &API{
		config: config.withDefaults(), features: defaultFeatures(),
		renewals: make(chan string, maxRenewals), renewalTimeout: renewalTimeout, pageScan: maxPageScan,
	}
	if config.Feed == nil || config.Ready == nil {
		return nil, errors.New("make the API: Config.Feed and Config.Ready are required")
	}
	for _, option := range options {
		if err := option.addTo(&a.features); err != nil {
			return nil, err
		}
	}
	a.draining, a.drain = context.WithCancel(context.Background())
	var err error
	if a.streams, err = newStreams(a.config); err != nil {
		return nil, err
	}
	a.bodies = request.NewBodies(a.config.BodyBytes)
	a.pages = page.NewBudget(a.config.PageBytes)
	a.sessions = session.NewRegistry(session.Options{
		Streams: a.streams, Presence: a.features.presence.Tracker, Metrics: a.config.Metrics, Logger: a.config.Logger,
		Revoked: func(id auth.Identity) bool { return a.revocations.isBarred(id) },
	})
	a.revocations = newRevocations(a.features.auth.Revocations, a.sessions.EndRevoked, a.config.Logger)
	a.revocations.disconnects, a.revocations.disconnect = a.features.auth.Disconnects, a.disconnectHere
	return a, nil
}

func newStreams(c Config) (*sse.Server, error) {
	return sse.New(sse.Options{
		Feed: c.Feed, Heartbeat: c.Streams.Heartbeat, WriteTimeout: c.Streams.WriteTimeout,
		StaleLimit: c.Streams.StaleLimit, HasAlternative: c.Streams.HasAlternative, Now: c.Streams.Now,
		Retry: c.Streams.Retry, Schedule: c.Streams.Schedule, Goroutines: c.Streams.Goroutines, Compress: c.Streams.Compress, Meter: c.Metrics, Logger: c.Logger,
	})
}

// Run serves streams, answers the renewal requests of other servers and ends the streams of revoked tokens until ctx ends or Close is called. It returns when
// every stream has ended. It must be called at most once.
func (a *API) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		defer cancel()
		a.streams.Run(ctx)
	})
	running.Go(func() { a.runRevocations(ctx) })
	a.runRenewals(ctx)
	running.Wait()
}

// Drain makes the API report that it is not ready, and ends the streams one after the other within the given time, so that
// their clients resume at other servers. It returns at once.
func (a *API) Drain(within time.Duration) {
	a.drain()
	a.streams.Drain(within)
}

// Wait returns when no stream is open or ctx ends.
func (a *API) Wait(ctx context.Context) { a.streams.Wait(ctx) }

// Close ends all streams and frees their resources. A stream that opens later ends at once. Requests that wait for events
// are answered.
func (a *API) Close() {
	a.drain()
	a.streams.Close()
}

// Ready returns nil if events arrive (Config.Ready), clients learn nothing else, and the API is not draining. Otherwise it
// returns the reason.
func (a *API) Ready() error {
	if a.draining.Err() != nil {
		return errors.New("draining")
	}
	if err := a.config.Ready(); err != nil {
		return err
	}
	if lastRead, isStale := a.streams.Stale(); isStale {
		return fmt.Errorf("the log was last read at %s", lastRead.UTC().Format(time.RFC3339))
	}
	return nil
}

// StaleFor returns the time since the last successful read of the log if that is so long ago that clients know it, else 0.
func (a *API) StaleFor() time.Duration {
	if _, isStale := a.streams.Stale(); !isStale {
		return 0
	}
	return a.config.Feed.Freshness().Age
}

// TakenOver returns the number of open sockets of streams that left net/http, which does not report them as connections any more.
func (a *API) TakenOver() int { return a.streams.TakenOver() }

// Stalled returns two numbers of clients: full counts those whose socket is full, catchingUp those that read the log because
// the feed no longer covers their position.
func (a *API) Stalled() (full, catchingUp int) { return a.streams.Stalled() }
