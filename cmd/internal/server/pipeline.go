package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/db/collections"
	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
)

const (
	// logConns is the number of connections that read the log: one for the feed, one each to prune,
	// to monitor and to check the triggers, and the others for clients that the feed no longer covers.
	logConns = 8

	// openTimeout bounds the connections and the first reads at start.
	openTimeout = 2 * time.Minute
)

// pipeline holds the parts of a server with a database in the order in which an event passes them:
//
//	log ──> listener (wake-ups, from the writers or their leader) ──> feed ──> api ──> clients
type pipeline struct {
	*base
	examine Examine
	began   time.Time
	lag     atomic.Int64 // see status.Report.LagMS

	// Where the events come from: the event log, with its wake-ups. It is the source of base, too.
	log *logSource

	// What keeps the log small and observed.
	pruner    *eventlog.Pruner
	monitor   *eventlog.Monitor
	consumers *consumers.Monitor
	payer     *eventlog.Payer
	watcher   *watcher // of the triggers that write it
	// resetLog names the tables whose events fail. Only the reader of the log uses it.
	resetLog resetLog

	// How the rows of collections are read. They follow each apply.
	lists  *collections.Lists
	looker looker

	// The tables that the API reads and writes.
	pools    pools
	presence *control.Presence
}

// openPipeline connects to the database and fills the feed. It starts no goroutine; start does. The caller
// must close the pipeline.
func (s *Server) openPipeline(ctx context.Context) (*pipeline, error) {
	p := &pipeline{base: s.newBase(), looker: looker{logger: s.logger}, pools: make(pools), examine: s.examine, began: time.Now()}
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
	return p.fillFeed(ctx, p.eventRead)
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
	running.Go(func() { p.consumers.Run(ctx) })
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

// close closes the connections.
func (p *pipeline) close() { closeInTime(p.closeAll) }

// closeAll closes the parts that exist, in the reverse order.
func (p *pipeline) closeAll() {
	p.closeBase()
	p.pools.close()
}
