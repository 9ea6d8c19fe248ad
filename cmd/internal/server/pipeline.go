package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/triggers"
)

const (
	// logConns is the number of connections that read the log: one for the feed, one each to prune,
	// to monitor and to check the triggers, and the others for clients that the feed no longer covers.
	logConns = 8

	// openTimeout bounds the connections and the first reads at start.
	openTimeout = 2 * time.Minute

	// liveTimeout is how long the listener may take at start to receive its own probe.
	liveTimeout = 3 * connectTimeout

	// closeTimeout is how long the shutdown waits for database connections to close.
	closeTimeout = 500 * time.Millisecond
)

// pipeline holds the parts of a server in the order in which an event passes them:
//
//	log ──> listener (wake-ups, from the writers or their leader) ──> feed ──> api ──> clients
type pipeline struct {
	config  Config
	logger  *slog.Logger
	metrics *metrics.Metrics
	memory  memory
	tokens  checker       // nil if clients need no token
	hosts   browser.Hosts // under which clients reach the server
	examine Examine
	began   time.Time
	lag     atomic.Int64 // see status.Report.LagMS

	// Where the events come from: the event log, with its wake-ups. source is all that the feed knows of it.
	source source
	log    *logSource

	// What keeps the log small and observed.
	pruner  *eventlog.Pruner
	monitor *eventlog.Monitor
	payer   *eventlog.Payer
	watcher *watcher // of the triggers that write it
	// resetLog names the tables whose events fail. Only the reader of the log uses it.
	resetLog resetLog

	// The schedule of the next writes to clients: feed and leader delay their work for it.
	schedule *pacing.Schedule

	// The tables that clients may select as collections, how their rows are read, and what else the spec gives. They follow
	// each apply: changes counts that.
	collections *collection.Set
	lists       *collections.Lists
	served      atomic.Pointer[served]
	changes     atomic.Uint64
	seenTypes   seenTypes              // of the events since the start
	noted       map[triggers.Note]bool // of the last look; only that uses it

	// Recent transactions in memory.
	feed *stream.Feed

	// The API and the tables that it reads and writes.
	pools    pools
	presence *control.Presence
	api      *api.API
}

// openPipeline connects to the database and fills the feed. It starts no goroutine; start does. The caller
// must close the pipeline.
func (s *Server) openPipeline(ctx context.Context) (*pipeline, error) {
	p := &pipeline{config: s.config, logger: s.logger, metrics: s.metrics, memory: s.config.Tuning.memory(), tokens: s.tokens,
		hosts: s.config.Listen.hosts(s.config.Tokens, s.listener.Addr()), schedule: pacing.NewSchedule(), pools: make(pools),
		examine: s.examine, began: time.Now()}
	err := p.openLog(ctx)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		for _, open := range []func(context.Context) error{p.openWakeUps, p.openCollections, p.openFeed, p.openAPI} {
			if err = open(ctx); err != nil {
				break
			}
		}
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// openLog connects to the event log. It empties the log if that belongs to another cluster.
func (p *pipeline) openLog(ctx context.Context) (err error) {
	if p.log, err = openLogSource(ctx, p.config, p.logger); p.log != nil {
		p.source = p.log
	}
	if err != nil {
		return err
	}
	p.pruner = eventlog.NewPruner(p.log.pool, eventlog.PrunerOptions{
		MaxAge: p.config.EventLog.RetainAge, MaxBytes: p.config.EventLog.RetainBytes, Logger: p.logger,
	})
	p.monitor = eventlog.NewMonitor(p.log.pool, eventlog.MonitorOptions{Logger: p.logger})
	p.payer = eventlog.NewPayer(p.log.pool, p.logger)
	spec, _, err := p.config.Database.Load()
	p.watcher = newWatcher(p.log.pool, spec, p.config.Tuning.TriggerCheckInterval, p.logger)
	p.watcher.reload, p.watcher.follow, p.watcher.mayGrow = p.config.Database.Load, p.follow, !p.config.Database.NoApply
	return err
}

// openWakeUps opens the listener and this server's notify leader. The listener passes notifications of other
// servers to the API, which must exist before the listener runs.
func (p *pipeline) openWakeUps(ctx context.Context) error {
	return p.log.openWakeUps(ctx, p.config, p.schedule, p.controlNotified, p.logger)
}

// openFeed makes the feed and fills it with the newest part of the log.
func (p *pipeline) openFeed(ctx context.Context) error {
	p.resetLog.logger = p.logger
	p.logger.Info("memory divided", "bytes", p.memory.total, "feed", p.memory.feed, "catch_ups", p.memory.catchUps,
		"filters", p.memory.filters, "bodies", p.memory.bodies, "lists", p.memory.lists)
	p.feed = stream.NewFeed(p.source, stream.FeedOptions{
		Bytes: p.memory.feed, CatchUpBytes: p.memory.catchUps, PageBytes: p.source.PageBytes(), FilterBytes: p.memory.filters,
		Collections: p.collections, OnEvent: p.eventRead, Schedule: p.schedule, Logger: p.logger,
	})
	return p.feed.Fill(ctx)
}

// start runs the parts until ctx ends or stop is called. stop waits for them.
func (p *pipeline) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { p.source.Run(ctx) })
	running.Go(func() { p.feed.Run(ctx, p.source.Wake()) })
	running.Go(func() { p.presence.Run(ctx) })
	running.Go(func() { p.pruner.Run(ctx) })
	running.Go(func() { p.monitor.Run(ctx) })
	running.Go(func() { p.payer.Run(ctx) })
	running.Go(func() { p.watcher.Run(ctx) })
	running.Go(func() { boundGarbage(ctx, p.memory) })
	if p.tokens != nil {
		running.Go(func() { p.tokens.Run(ctx) })
	}
	running.Go(func() { p.api.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// awaitLive waits until wake-ups arrive.
func (p *pipeline) awaitLive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	return p.source.WaitLive(ctx)
}

// readyError returns nil if the server receives events, otherwise the reason why not.
func (p *pipeline) readyError() error {
	if err := p.source.Live(); err != nil {
		return err
	}
	return p.feed.Err()
}

// close closes the connections. A pool waits up to 15 s for a PostgreSQL that does not answer. close waits
// for closeTimeout only; connections that are still open then end with the process.
func (p *pipeline) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.closeAll()
	}()
	timeout := time.NewTimer(closeTimeout)
	defer timeout.Stop()
	select {
	case <-closed:
	case <-timeout.C:
	}
}

// closeAll closes the parts that exist, in the reverse order.
func (p *pipeline) closeAll() {
	if p.api != nil {
		p.api.Close()
	}
	if p.source != nil {
		p.source.Close()
	}
	p.pools.close()
}
