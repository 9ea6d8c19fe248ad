package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/api"
	apicollections "github.com/pgherald/pgherald/api/collections"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/stream"
)

// edge holds the parts of a server without a database:
//
//	copy of the log ──> wake-ups ──> feed ──> api ──> clients
type edge struct {
	*base
	store *Store
	began time.Time
	lag   atomic.Int64 // see status.Report.LagMS

	recent atomic.Pointer[[]string] // types of recent events, from the document

	reading chan struct{} // has a value while the document is read: a lock for which one can wait with a context, of the fields below
	version uint64        // of the document that is shown
	readAt  time.Time     // when the document was last read
	lastErr error         // of the last read that failed since one succeeded
}

// openEdge connects to the store and fills the feed. The caller must close the edge.
func (s *Server) openEdge(ctx context.Context) (_ *edge, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	e := newEdge(s.newBase())
	if e.store, err = s.openStore(StoreOptions{
		URL: s.config.Source, EventBytes: s.config.Limits.EventBytes, Report: e.heartbeatReport, Logger: s.logger,
	}); err != nil {
		return nil, err
	}
	e.source = typedSource{e.store.Log, &e.seenTypes}
	for _, open := range []func(context.Context) error{e.openDocument, e.openFeed, e.openAPI} {
		if err := open(ctx); err != nil {
			e.close()
			return nil, err
		}
	}
	return e, nil
}

func newEdge(b *base) *edge {
	e := &edge{base: b, began: time.Now(), reading: make(chan struct{}, 1)}
	e.recent.Store(new([]string))
	return e
}

func (e *edge) openDocument(ctx context.Context) error {
	text, version, err := e.store.Document(ctx)
	if err != nil {
		return err
	}
	now, recent, err := parseDocument(text)
	if err != nil {
		return err
	}
	e.version, e.readAt = version, time.Now()
	e.recent.Store(&recent)
	return e.show(now)
}

func (e *edge) openFeed(ctx context.Context) error { return e.fillFeed(ctx, e.eventRead) }

// eventRead observes an event that the feed has read.
func (e *edge) eventRead(event *stream.Event) {
	e.metrics.EventRead(event)
	if event.At.After(e.began) { // at the start, the server reads older ones
		e.lag.Store(max(0, time.Since(event.At).Milliseconds()))
	}
	if event.Type == stream.TypeCollectionReset {
		e.metrics.CollectionReset(stream.ParseCollectionReset(event.Data).Reason)
	}
}

// openAPI makes the API.
func (e *edge) openAPI(ctx context.Context) (err error) {
	options := []api.Option{
		e.config.Limits.origins(),
		api.Hosts{Allowed: e.hosts},
		api.NoDatabase{},
		api.Presence{Tracker: e.store.Presence},
		api.EventTypes{Known: func() []string { return e.served.Load().types }, Recent: e.recentTypes},
		api.Routes(apicollections.New(e.collections, nil, apicollections.Options{Logger: e.logger}).Routes()),
		e.described(),
	}
	if e.tokens != nil {
		options = append(options, api.Auth{
			Authenticator: e.tokens, OperatorRole: e.config.Tokens.OperatorRole,
			Tickets: e.store.Tickets, Renewals: e.store.Renewals, Revocations: e.store.Revocations,
		})
	}
	config := e.apiConfig(e.hasAlternative)
	config.Settle = e.settle
	if e.api, err = api.New(config, options...); err != nil {
		return err
	}
	return e.api.ReadRevocations(ctx)
}

// hasAlternative reports whether another edge may have the events that this one cannot read: not if the relay has stopped.
func (e *edge) hasAlternative() bool { return e.source.Live() != nil && e.store.Presence.HasOther() }

// heartbeatReport returns what this server says about itself, as JSON.
func (e *edge) heartbeatReport() []byte {
	return marshalReport(completeReport(e.api.Report(), e.began, e.lag.Load()))
}

// start runs the parts until ctx ends or stop is called. stop waits for them.
func (e *edge) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { e.source.Run(ctx) })
	running.Go(func() { e.feed.Run(ctx, e.source.Wake()) })
	running.Go(func() { e.follow(ctx) })
	running.Go(func() { e.store.Presence.Run(ctx) })
	running.Go(func() { e.store.Listen(ctx, e.api.RenewalRequested) })
	running.Go(func() { boundGarbage(ctx, e.memory) })
	if e.tokens != nil {
		running.Go(func() { e.tokens.Run(ctx) })
	}
	running.Go(func() { e.api.Run(ctx) })
	return func() {
		cancel()
		late := time.AfterFunc(endTimeout, e.source.Close) // interrupts what waits for a store that does not answer
		defer late.Stop()
		running.Wait()
	}
}

// endTimeout is how long the parts may take to end: the presence writes that this server is gone.
const endTimeout = 1500 * time.Millisecond

func (e *edge) close() { closeInTime(e.closeBase) }

// sources returns what the metrics read at each scrape.
func (e *edge) sources() metrics.Sources {
	return metrics.Sources{Ready: e.api.Ready, StaleFor: e.api.StaleFor, Stalled: e.api.Stalled, Feed: e.feed.Stats}
}

// startEdge makes one attempt to start a server without a database.
func (s *Server) startEdge(ctx context.Context) (running, error) {
	e, err := s.openEdge(ctx)
	if err != nil {
		return running{}, err
	}
	r := running{api: e.api, stop: e.start(context.WithoutCancel(ctx)), close: e.close}
	if err := e.awaitLive(ctx); err != nil {
		r.end()
		return running{}, errors.Join(err, context.Cause(ctx))
	}
	e.metrics.Watch(e.sources())
	return r, nil
}

// recentTypes returns the types of recent events: of those that the relay has read, and of those that this server has.
func (e *edge) recentTypes(context.Context) ([]string, error) {
	return slices.Concat(*e.recent.Load(), e.seenTypes.list()), nil
}

// typedSource notes the types of all events that the feed reads, also of those with which it is filled.
type typedSource struct {
	source
	seen *seenTypes
}

// Read implements stream.Log.
func (s typedSource) Read(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	r, err := s.source.Read(ctx, from)
	if err != nil {
		return nil, err
	}
	return typedReading{r, s.seen}, nil
}

// Delay implements stream.Delayed.
func (s typedSource) Delay() time.Duration {
	if d, ok := s.source.(interface{ Delay() time.Duration }); ok {
		return d.Delay()
	}
	return 0
}

type typedReading struct {
	stream.Reading
	seen *seenTypes
}

// Next implements stream.Reading.
func (r typedReading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	t, err := r.Reading.Next(ctx, wants)
	for i := range t.Events {
		r.seen.add(t.Events[i].Type)
	}
	return t, err
}
