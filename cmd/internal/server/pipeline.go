package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/web"
)

const (
	// logConns is the number of connections that read the log: one for the feed, one each to prune, to probe,
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
	tokens  *auth.JWT     // nil if clients need no token
	hosts   browser.Hosts // under which clients reach the server

	// The event log, and what keeps it small and observed.
	logPool *pgxpool.Pool
	log     *eventlog.Log
	pruner  *eventlog.Pruner
	monitor *eventlog.Monitor
	watcher *watcher // of the triggers that write it
	// resetLog names the tables whose events fail. Only the reader of the log uses it.
	resetLog resetLog

	// Wake-ups, and the schedule of the next writes to clients: feed and leader delay their work for it.
	listener *notify.Listener
	leader   *notify.Leader
	schedule *pacing.Schedule

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
		hosts: s.config.Listen.hosts(s.config.Tokens, s.listener.Addr()), schedule: pacing.NewSchedule(), pools: make(pools)}
	err := p.openLog(ctx)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		for _, open := range []func(context.Context) error{p.openWakeUps, p.openFeed, p.openAPI} {
			if err = open(ctx); err != nil {
				break
			}
		}
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.metrics.Watch(p.sources())
	return p, nil
}

// openLog connects to the event log. It empties the log if that belongs to another cluster.
func (p *pipeline) openLog(ctx context.Context) (err error) {
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if p.logPool, err = db.OpenLogPool(opening, p.config.Database.ListenURL, logConns); err != nil {
		return err
	}
	p.log = eventlog.New(p.logPool, eventlog.Options{MaxEventBytes: p.config.Limits.EventBytes, Logger: p.logger})
	if reset, err := p.log.ResetIfForeign(ctx); err != nil {
		return err
	} else if reset {
		p.logger.Warn("log reset because it came from another cluster, such as with a restored dump")
	}
	p.pruner = eventlog.NewPruner(p.logPool, eventlog.PrunerOptions{
		MaxAge: p.config.EventLog.RetainAge, MaxBytes: p.config.EventLog.RetainBytes, Logger: p.logger,
	})
	p.monitor = eventlog.NewMonitor(p.logPool, eventlog.MonitorOptions{Logger: p.logger})
	spec, _, err := LoadSpec(p.config.Database.Spec)
	p.watcher = newWatcher(p.logPool, spec, p.config.Tuning.TriggerCheckInterval, p.logger)
	return err
}

// openWakeUps opens the listener and this server's notify leader. The listener passes notifications of other
// servers to the API, which must exist before the listener runs.
func (p *pipeline) openWakeUps(ctx context.Context) (err error) {
	p.listener, err = notify.OpenListener(ctx, p.config.Database.ListenURL, p.logPool, notify.ListenerOptions{
		ProbeInterval: p.config.Tuning.ProbeInterval,
		OnControl:     p.controlNotified,
		Logger:        p.logger,
	})
	if err != nil {
		return err
	}
	p.leader, err = notify.NewLeader(p.listener, p.config.Database.ListenURL, notify.LeaderOptions{
		Schedule: p.schedule,
		Logger:   p.logger,
	})
	return err
}

// openFeed makes the feed and fills it with the newest part of the log.
func (p *pipeline) openFeed(ctx context.Context) error {
	p.resetLog.logger = p.logger
	p.logger.Info("memory divided", "bytes", p.memory.total, "feed", p.memory.feed, "catch_ups", p.memory.catchUps,
		"filters", p.memory.filters, "bodies", p.memory.bodies)
	p.feed = stream.NewFeed(p.log, stream.FeedOptions{
		Bytes: p.memory.feed, CatchUpBytes: p.memory.catchUps, PageBytes: p.log.PageBytes(), FilterBytes: p.memory.filters,
		OnEvent: p.eventRead, Schedule: p.schedule, Logger: p.logger,
	})
	return p.feed.Fill(ctx)
}

// openAPI connects the API to the feed and to the tables.
func (p *pipeline) openAPI(ctx context.Context) (err error) {
	p.presence = control.NewPresence(p.logPool, control.PresenceOptions{Logger: p.logger})
	url := p.config.Database.URL
	controlPool, err := p.pools.open(ctx, "control", url, controlConns, controlTimeout)
	if err != nil {
		return err
	}
	lists, err := p.pools.open(ctx, "lists", url, listConns, listTimeout)
	if err != nil {
		return err
	}
	options := []api.Option{
		p.config.Limits.origins(),
		api.Hosts{Allowed: p.hosts},
		api.Listening{Listener: p.listener.Status, Leader: p.leader.Status},
		api.Triggers{Status: p.watcher.Status},
		api.Pruning{Status: p.pruner.Status},
		api.Presence{Tracker: p.presence, List: control.NewPresenceList(lists, p.log.SnapshotCursor)},
		api.Publishing{Publisher: control.NewPublisher(controlPool), Role: p.config.Tokens.PublishRole},
		api.Page{Handler: web.Page(p.config.Database.Spec == "")},
	}
	if p.tokens != nil {
		options = append(options, api.Auth{
			Authenticator: p.tokens, OperatorRole: p.config.Tokens.OperatorRole,
			Tickets: ticketStore{control.NewTickets(controlPool)}, Renewals: renewals{control.NewRenewals(controlPool)},
			Revocations: revocationStore{control.NewRevocations(p.logPool), p.config.Tokens.MaxLifetime},
		})
	}
	if p.config.Database.Spec == "" { // the tables of the activities exist
		routes, err := p.openActivities(ctx, lists)
		if err != nil {
			return err
		}
		options = append(options, routes)
	}
	p.api, err = api.New(api.Config{
		Feed:  p.feed,
		Ready: p.readyError,
		Streams: api.Streams{
			Admission:    p.config.Limits.admission(),
			Heartbeat:    p.config.Tuning.Heartbeat,
			WriteTimeout: p.config.Tuning.WriteTimeout,
			Schedule:     p.schedule,
		},
		Requests:  p.config.Limits.requests(),
		BodyBytes: p.memory.bodies,
		Metrics:   p.metrics,
		Logger:    p.logger,
	}, options...)
	if err != nil {
		return err
	}
	return p.api.ReadRevocations(ctx)
}

// start runs the parts until ctx ends or stop is called. stop waits for them.
func (p *pipeline) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { p.listener.Run(ctx) })
	running.Go(func() { p.leader.Run(ctx) })
	running.Go(func() { p.leader.WatchLock(ctx, p.logPool) })
	running.Go(func() { p.feed.Run(ctx, p.listener.Wake()) })
	running.Go(func() { p.presence.Run(ctx) })
	running.Go(func() { p.pruner.Run(ctx) })
	running.Go(func() { p.monitor.Run(ctx) })
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

// awaitLive waits until the listener has received its own probe. So a pooler that does not pass on
// notifications is an error at start.
func (p *pipeline) awaitLive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	return p.listener.WaitLive(ctx)
}

// readyError returns nil if the server receives events, otherwise the reason why not.
func (p *pipeline) readyError() error {
	if status := p.listener.Status(); !status.Live {
		return errors.New("the listener is not live: " + status.Reason)
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
	if p.listener != nil {
		p.listener.Close()
	}
	p.pools.close()
	if p.logPool != nil {
		p.logPool.Close()
	}
}
