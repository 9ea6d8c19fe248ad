// Package server connects the packages of pgherald to one server. pgherald serve, pgherald demo and the
// end-to-end tests run the same Server, from a Config of plain values.
//
// It promises:
//
//   - New opens the socket and reads certificates and keys, but does not connect to the database. So a wrong
//     setting or a port in use is an error before anything else happens.
//   - Run waits for a database that is away, and answers clients meanwhile, so that none has to give up.
//   - Run serves until its context ends, then drains, and returns when every goroutine that it started has
//     ended. Streams receive events until the drain ends them.
//   - Operators can reach the admin address from before Run connects to the database until it returns.
//
// pipeline.go follows an event from the log to the clients.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/metrics"
)

// Options holds what a server receives from its process.
type Options struct {
	// Logger receives the log output. Required.
	Logger *slog.Logger
	// Level is the logger's level, which operators may change while the server runs. Required.
	Level *slog.LevelVar
	// Listener replaces Config.Listen.Addr with a socket that is already open.
	Listener net.Listener
	// Examine looks for what keeps events from clients, as pgherald doctor does; nil leaves it out.
	Examine Examine
	// OpenStore opens the store of a server without a database; OpenRedis if nil.
	OpenStore OpenStore
}

// Server is a server of pgherald. It runs once.
type Server struct {
	config Config
	logger *slog.Logger
	level  *slog.LevelVar

	examine   Examine
	openStore OpenStore
	listener  net.Listener
	sockets   *sockets
	http      *httpServer
	handler   *handler // of http
	tokens    checker  // nil if clients need no token
	metrics   *metrics.Metrics
	ready     chan struct{}
}

// New opens the socket for clients and reads the files that config names. The caller must call Run, which
// closes the socket. If New returns an error, it has closed the socket, including Options.Listener.
func New(ctx context.Context, config Config, options Options) (_ *Server, err error) {
	s := &Server{
		config: config, logger: options.Logger, level: options.Level, listener: options.Listener, examine: options.Examine, openStore: options.OpenStore,
		metrics: metrics.New(Version()), ready: make(chan struct{}),
	}
	if s.openStore == nil {
		s.openStore = OpenRedis
	}
	defer func() {
		if err != nil && s.listener != nil {
			err = errors.Join(err, s.listener.Close())
		}
	}()
	if s.config.Database.ListenURL == "" {
		s.config.Database.ListenURL = s.config.Database.URL
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if s.listener == nil {
		if s.listener, err = Socket(ctx, config.Listen.Addr); err != nil {
			return nil, err
		}
	}
	if err := config.Tokens.validateAddress(s.listener.Addr()); err != nil {
		return nil, err
	}
	if s.tokens, err = config.Tokens.checker(ctx, config.Limits.origins(), s.metrics, s.logger); err != nil {
		return nil, err
	}
	s.sockets = newSockets(config.Limits.sockets(), s.metrics, s.logger)
	if s.http, err = config.Listen.httpServer(s.sockets, config.Tuning.memory().total, s.logger); err != nil {
		return nil, err
	}
	return s, nil
}

// URL returns the base URL for clients.
func (s *Server) URL() string {
	return s.config.Listen.scheme() + "://" + s.listener.Addr().String()
}

// Ready returns a channel that is closed once the server serves clients and receives events.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, and then drains. It waits for a database that is away, as Config.Database.Wait says, and
// answers clients meanwhile: see api.Starting. Call it once.
func (s *Server) Run(ctx context.Context) error {
	defer s.listener.Close()
	stopAdmin, err := s.serveAdmin()
	if err != nil {
		return err
	}
	defer stopAdmin()
	w := wait{awaits: awaitsDatabase}
	if s.config.Source != "" {
		w.awaits = awaitsRelay
	}
	starting := s.newStarting(&w)
	holding, release := context.WithTimeout(ctx, startGrace)
	defer release()
	s.handler = newHandler(starting.Handler(), holding.Done())
	s.http.handle(s.handler)
	served, stop := s.serveHTTP()
	defer stop()
	r, err := s.awaitStart(ctx, &w)
	if err != nil {
		return err
	}
	defer r.end()
	if err := s.serveClients(ctx, r.api, starting, served); err != nil {
		return err
	}
	s.logger.Info("stopped")
	return nil
}

// serveHTTP serves clients in the background, with the handler of the moment. The channel receives the error with which
// that ends. stop closes all connections and waits.
func (s *Server) serveHTTP() (served <-chan error, stop func()) {
	errs := make(chan error, 1)
	watching, stopWatching := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.sockets.run(watching) })
	running.Go(func() { errs <- s.http.serve(s.sockets.listener(s.config.Listen.wrap(s.listener))) })
	return errs, func() {
		_ = s.http.Close()
		stopWatching()
		running.Wait()
	}
}

// serveClients serves the API until ctx ends. What runs behind it outlives ctx, since streams receive events while they drain.
func (s *Server) serveClients(ctx context.Context, a *api.API, starting *api.Starting, served <-chan error) error {
	defer s.http.Close() // before the rest stops, which waits for the streams: one may wait for its client to read
	s.sockets.countStreams(a.TakenOver)
	s.handler.replace(a.Handler())
	starting.End()
	s.logger.Info("serving", "url", s.URL(), "version", Version())
	close(s.ready)
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	err := s.drain(a)
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
