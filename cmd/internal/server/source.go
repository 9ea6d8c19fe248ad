package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// source is where the events of a feed come from: a log, and the wake-ups that say when to read it. What else a server needs
// a database for is no part of it.
type source interface {
	stream.Log
	// PageBytes bounds the memory of a page of the log.
	PageBytes() int64
	// Wake receives a signal when the log may have new events.
	Wake() <-chan struct{}
	// Run receives wake-ups until ctx ends.
	Run(ctx context.Context)
	// WaitLive waits until wake-ups arrive. Its error says what keeps them away.
	WaitLive(ctx context.Context) error
	// Live returns nil while wake-ups arrive, otherwise an error that clients may see.
	Live() error
	// Close frees the connections. Run must have returned.
	Close()
}

// logSource is the source in PostgreSQL.
type logSource struct {
	*eventlog.Log
	pool *pgxpool.Pool // of the log, and of what keeps it small and observed

	// probePool sends the listener's probes: while clients use all connections of pool, the listener stays live.
	probePool *pgxpool.Pool
	listener  *notify.Listener
	leader    *notify.Leader
}

var _ source = (*logSource)(nil)

// openLogSource connects to the event log. It empties the log if that belongs to another cluster. It returns what the caller
// must close, also with an error.
func openLogSource(ctx context.Context, config Config, logger *slog.Logger) (*logSource, error) {
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	pool, err := db.OpenLogPool(opening, config.Database.ListenURL, logConns)
	if err != nil {
		return nil, err
	}
	log := eventlog.New(pool, eventlog.Options{MaxEventBytes: config.Limits.EventBytes, Logger: logger})
	s := &logSource{Log: log, pool: pool}
	reset, err := log.ResetIfForeign(ctx)
	if err == nil && reset {
		logger.Warn("log reset because it came from another cluster, such as with a restored dump")
	}
	return s, err
}

// openWakeUps opens the listener and this server's notify leader. onControl receives the notifications of other servers.
func (s *logSource) openWakeUps(ctx context.Context, config Config, schedule *pacing.Schedule, onControl func(string), logger *slog.Logger) (err error) {
	if s.probePool, err = db.OpenSessionPool(ctx, config.Database.ListenURL, "pgherald probe", 1); err != nil {
		return err
	}
	s.listener, err = notify.OpenListener(ctx, config.Database.ListenURL, s.probePool, notify.ListenerOptions{
		ProbeInterval: config.Tuning.ProbeInterval,
		OnControl:     onControl,
		Logger:        logger,
	})
	if err != nil {
		return err
	}
	s.leader, err = notify.NewLeader(s.listener, config.Database.ListenURL, notify.LeaderOptions{Schedule: schedule, Logger: logger})
	return err
}

// Wake receives a signal after each notification.
func (s *logSource) Wake() <-chan struct{} { return s.listener.Wake() }

// Run runs the listener and the leader until ctx ends.
func (s *logSource) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.listener.Run(ctx) })
	running.Go(func() { s.leader.Run(ctx) })
	running.Go(func() { s.leader.WatchLock(ctx, s.pool) })
	running.Wait()
}

// WaitLive waits until the listener has received its own probe. So a pooler that does not pass on notifications is an error
// at start.
func (s *logSource) WaitLive(ctx context.Context) error { return s.listener.WaitLive(ctx) }

// Live returns nil while the listener receives its probes.
func (s *logSource) Live() error {
	if !s.listener.Status().Live { // its reason, which names hosts and users, is in the log and in /api/stats
		return errors.New("the listener is not live")
	}
	return nil
}

// Close closes the connections.
func (s *logSource) Close() {
	if s.listener != nil {
		s.listener.Close()
	}
	if s.probePool != nil {
		s.probePool.Close()
	}
	s.pool.Close()
}
