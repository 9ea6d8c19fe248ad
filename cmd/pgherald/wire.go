package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// logConns are the connections that read the log: one follows it, some serve clients that are
// far behind, one prunes, one probes and one monitors.
const logConns = 8

// server is what one process runs, in the order in which events flow.
type server struct {
	flags          serveCmd
	logPool        *pgxpool.Pool
	listener       *notify.Listener
	leader         *notify.Leader
	monitor        *eventlog.Monitor
	pruner         *eventlog.Pruner
	schedule       *pacing.Schedule
	presence       *control.Presence
	feed           *stream.Feed
	metrics        *metrics.Metrics
	auth           *auth.JWT // nil: nobody is asked for a token
	apiPool        *pgxpool.Pool
	activitiesPool *pgxpool.Pool // nil: apiPool
	api            *api.API
}

// wire makes the server: database, log, feed, API. checker is nil if nobody is asked for a token.
// Nothing runs yet, but the feed is full.
func (c serveCmd) wire(a *app, m *metrics.Metrics, checker *auth.JWT) (_ *server, err error) {
	s := &server{flags: c, metrics: m, auth: checker}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	ctx, cancel := context.WithTimeout(a.ctx, 2*time.Minute)
	defer cancel()
	if s.logPool, err = db.OpenLogPool(ctx, c.ListenDatabaseURL, logConns); err != nil {
		return s, err
	}
	log := eventlog.New(s.logPool)
	if renewed, err := log.ResetIfForeign(a.ctx); err != nil {
		return s, err
	} else if renewed {
		a.logger.Warn("the log came from another cluster, as with a dump that was restored: it begins anew, and every client is told to reset")
	}
	s.pruner = eventlog.NewPruner(s.logPool, eventlog.PrunerOptions{MaxAge: c.RetainAge, MaxBytes: int64(c.RetainBytes), Logger: a.logger})
	s.monitor = eventlog.NewMonitor(s.logPool, eventlog.MonitorOptions{Logger: a.logger})
	s.listener, err = notify.OpenListener(ctx, c.ListenDatabaseURL, s.logPool, notify.ListenerOptions{
		ProbeInterval: c.ProbeInterval, OnControl: func(connection string) { s.api.RenewalRequested(connection) }, Logger: a.logger,
	})
	if err != nil {
		return s, err
	}
	s.schedule = pacing.NewSchedule()
	s.leader, err = notify.NewLeader(s.listener, c.ListenDatabaseURL, notify.LeaderOptions{Schedule: s.schedule, Logger: a.logger})
	if err != nil {
		return s, err
	}
	s.feed = stream.NewFeed(log, stream.FeedOptions{Bytes: int64(c.FeedBytes), OnEvent: m.EventRead, Schedule: s.schedule, Logger: a.logger})
	if err := s.feed.Fill(ctx); err != nil {
		return s, err
	}
	s.presence = control.NewPresence(s.logPool, control.PresenceOptions{Logger: a.logger})
	if s.apiPool, err = openPool(ctx, c.DatabaseURL); err != nil {
		return s, fmt.Errorf("open connections for the API: %w", err)
	}
	options, err := s.apiOptions(ctx, log, a.logger)
	if err != nil {
		return s, err
	}
	if s.api, err = api.New(s.apiConfig(a.logger), options...); err != nil {
		return s, err
	}
	m.Watch(s.sources())
	return s, nil
}

// ready says whether events are arriving.
func (s *server) ready() error {
	if status := s.listener.Status(); !status.Live {
		return errors.New("the listener is not live: " + status.Reason)
	}
	return s.feed.Err()
}

// run serves until a.ctx ends, then drains. It returns when everything it started has ended.
func (s *server) run(a *app, l net.Listener, ready func()) error {
	// What feeds the streams goes on while they drain.
	ctx, stop := context.WithCancel(context.WithoutCancel(a.ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { s.listener.Run(ctx) })
	running.Go(func() { s.feed.Run(ctx, s.listener.Wake()) })
	running.Go(func() { s.leader.Run(ctx) })
	running.Go(func() { s.pruner.Run(ctx) })
	running.Go(func() { s.presence.Run(ctx) })
	running.Go(func() { s.monitor.Run(ctx) })
	running.Go(func() { boundGarbage(ctx, uint64(s.flags.FeedBytes)) })
	if s.auth != nil {
		running.Go(func() { s.auth.Run(ctx) })
	}
	running.Go(func() { s.api.Run(ctx) })
	if err := s.waitLive(a.ctx); err != nil {
		return err
	}
	httpServer, serve, err := s.flags.httpServer(s.api.Handler(), a.logger)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	running.Go(func() { served <- serve(l) })
	a.logger.Info("serving", "url", s.flags.scheme()+"://"+l.Addr().String(), "version", version())
	if ready != nil {
		ready()
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-a.ctx.Done():
	}
	s.api.Drain(s.flags.Drain / 2)
	a.logger.Info("draining", "streams_end_within", s.flags.Drain)
	return shutdown(httpServer, s.api, s.flags.Drain)
}

// waitLive makes a listener that hears nothing an error at start, and not a riddle later.
func (s *server) waitLive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*connectTimeout)
	defer cancel()
	return s.listener.WaitLive(ctx)
}

// closePatience is how long the end waits for database connections to close.
const closePatience = 500 * time.Millisecond

// close closes everything. Connections that are dead without having been closed would hold it up
// for 15 s, in which a pool tells a silent server to cancel what it asked for; they are left to
// end by themselves, or with the process.
func (s *server) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.closeAll()
	}()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-closed:
	case <-patience.C:
	}
}

func (s *server) closeAll() {
	if s.api != nil {
		s.api.Close()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	if s.apiPool != nil {
		s.apiPool.Close()
	}
	if s.activitiesPool != nil {
		s.activitiesPool.Close()
	}
	if s.logPool != nil {
		s.logPool.Close()
	}
}
