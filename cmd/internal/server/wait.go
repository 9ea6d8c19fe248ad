package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	// minStartPause and maxStartPause bound the mean pause between two attempts to start, which doubles.
	minStartPause = 100 * time.Millisecond
	maxStartPause = 5 * time.Second

	// waitReminder is the time between two log lines about a database that is away.
	waitReminder = 10 * time.Second
)

// What a server waits for, as its messages name it.
const (
	awaitsDatabase = "database"
	awaitsRelay    = "relay"
)

// wait is the state of a server that waits for its database, or for its relay.
type wait struct {
	awaits string // one of the constants above

	mu       sync.Mutex
	reason   error     // of the last attempt; nil before
	began    time.Time // of the first attempt that failed
	loggedAt time.Time
	attempts int
}

// Reason returns why the last attempt failed; nil before the first one has.
func (w *wait) Reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// failed records an attempt that failed, and logs one line at first and every ten seconds. It returns the pause before the
// next attempt, and how long the server has waited.
func (w *wait) failed(err error, logger *slog.Logger) (pause, waited time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.attempts == 0 {
		w.began = now
	}
	waited = now.Sub(w.began)
	pause = backoff.Pause(minStartPause, maxStartPause, w.attempts)
	w.reason = err
	w.attempts++
	if w.attempts == 1 || now.Sub(w.loggedAt) >= waitReminder {
		w.loggedAt = now
		logger = logger.With("reason", err, "attempts", w.attempts, "waited_ms", waited.Milliseconds())
		if w.awaits == awaitsRelay {
			logger.Warn("waiting for the relay")
		} else {
			logger.Warn("waiting for the database")
		}
	}
	return pause, waited
}

func (s *Server) newStarting(w *wait) *api.Starting {
	return api.NewStarting(api.StartingOptions{
		Reason: w.Reason, Awaits: w.awaits, Admission: s.config.Limits.admission(), Origins: s.config.Limits.origins(),
		Hosts: api.Hosts{Allowed: s.config.Listen.hosts(s.config.Tokens, s.listener.Addr())}, Logger: s.logger,
	})
}

// running is an API whose parts run, as start has made them.
type running struct {
	api         *api.API
	stop, close func() // stop ends the parts and waits for them, and close frees their connections
}

// end stops and closes the parts.
func (r running) end() {
	r.stop()
	r.close()
}

// awaitStart prepares the database and starts the pipeline. If the database is away, or goes away between two steps, it
// begins again after a pause, for as long as Config.Database.Wait says: each step may be repeated.
func (s *Server) awaitStart(ctx context.Context, w *wait) (running, error) {
	for {
		r, err := s.start(ctx)
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil:
			return running{}, ctx.Err()
		case !isOutage(err):
			return running{}, err
		}
		pause, waited := w.failed(err, s.logger)
		if waited >= s.config.Database.Wait {
			return running{}, s.gaveUp(err, w)
		}
		if err := backoff.Sleep(ctx, min(pause, s.config.Database.Wait-waited)); err != nil {
			return running{}, err
		}
	}
}

func (s *Server) gaveUp(err error, w *wait) error {
	if s.config.Database.Wait == 0 {
		return err
	}
	return fmt.Errorf("wait %v for the %s: %w", s.config.Database.Wait, w.awaits, err)
}

// start makes one attempt.
func (s *Server) start(ctx context.Context) (running, error) {
	if s.config.Source != "" {
		return s.startEdge(ctx)
	}
	if err := s.config.Database.prepare(ctx, s.logger); err != nil {
		return running{}, err
	}
	p, err := s.openPipeline(ctx)
	if err != nil {
		return running{}, err
	}
	r := running{api: p.api, stop: p.start(context.WithoutCancel(ctx)), close: p.close}
	if err := p.awaitLive(ctx); err != nil {
		r.end()
		return running{}, errors.Join(err, context.Cause(ctx))
	}
	p.metrics.Watch(p.sources())
	return r, nil
}
