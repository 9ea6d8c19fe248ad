package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/pacing"
)

const (
	// liveTimeout is how long wake-ups may take at start to arrive, such as the listener's own probe.
	liveTimeout = 3 * connectTimeout

	// closeTimeout is how long the shutdown waits for connections to close.
	closeTimeout = 500 * time.Millisecond
)

// base holds the parts that every server has, wherever its events come from.
type base struct {
	config  Config
	logger  *slog.Logger
	metrics *metrics.Metrics
	memory  memory
	tokens  checker       // nil if clients need no token
	hosts   browser.Hosts // under which clients reach the server

	// Where the events come from: all that the feed knows of it.
	source source

	// The schedule of the next writes to clients: the feed, and a leader, delay their work for it.
	schedule *pacing.Schedule

	// The tables that clients may select as collections, and what else the spec gives. They follow each apply: changes
	// counts that.
	collections *collection.Set
	served      atomic.Pointer[served]
	changes     atomic.Uint64
	seenTypes   seenTypes // of the events since the start

	// Recent transactions in memory.
	feed *stream.Feed

	api *api.API
}

// newBase returns the parts that need nothing but the server's settings.
func (s *Server) newBase() *base {
	return &base{
		config: s.config, logger: s.logger, metrics: s.metrics, memory: s.config.Tuning.memory(), tokens: s.tokens,
		hosts: s.config.Listen.hosts(s.config.Tokens, s.listener.Addr()), schedule: pacing.NewSchedule(),
	}
}

// fillFeed makes the feed and fills it with the newest part of the log. onEvent receives each later event.
func (b *base) fillFeed(ctx context.Context, onEvent func(*stream.Event)) error {
	b.logger.Info("memory divided", "bytes", b.memory.total, "feed", b.memory.feed, "catch_ups", b.memory.catchUps,
		"filters", b.memory.filters, "bodies", b.memory.bodies, "lists", b.memory.lists)
	b.feed = stream.NewFeed(b.source, stream.FeedOptions{
		Bytes: b.memory.feed, CatchUpBytes: b.memory.catchUps, PageBytes: b.source.PageBytes(), FilterBytes: b.memory.filters,
		Collections: b.collections, OnEvent: onEvent, Schedule: b.schedule, Logger: b.logger,
	})
	return b.feed.Fill(ctx)
}

// apiConfig returns the settings of the API. hasAlternative says whether another server may have the events that this one
// cannot read.
func (b *base) apiConfig(hasAlternative func() bool) api.Config {
	return api.Config{
		Feed:        b.feed,
		Collections: b.collections,
		Ready:       b.readyError,
		Streams: api.Streams{
			Admission:    b.config.Limits.admission(),
			Heartbeat:    b.config.Tuning.Heartbeat,
			WriteTimeout: b.config.Tuning.WriteTimeout,
			StaleLimit:   b.config.Tuning.StaleLimit, HasAlternative: hasAlternative,
			Schedule: b.schedule, Compress: b.config.Tuning.Compress,
		},
		Requests:  b.config.Limits.requests(),
		BodyBytes: b.memory.bodies, PageBytes: b.memory.pages,
		Metrics: b.metrics,
		Logger:  b.logger,
	}
}

// awaitLive waits until wake-ups arrive.
func (b *base) awaitLive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	return b.source.WaitLive(ctx)
}

// readyError returns nil if the server receives events, otherwise the reason why not.
func (b *base) readyError() error {
	if err := b.source.Live(); err != nil {
		return err
	}
	return b.feed.Err()
}

// closeBase closes the parts that exist, in the reverse order.
func (b *base) closeBase() {
	if b.api != nil {
		b.api.Close()
	}
	if b.source != nil {
		b.source.Close()
	}
}

// closeInTime calls closeAll, and waits for closeTimeout only: a pool waits up to 15 s for a PostgreSQL that does not answer.
// Connections that are still open then end with the process.
func closeInTime(closeAll func()) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		closeAll()
	}()
	timeout := time.NewTimer(closeTimeout)
	defer timeout.Stop()
	select {
	case <-closed:
	case <-timeout.C:
	}
}
