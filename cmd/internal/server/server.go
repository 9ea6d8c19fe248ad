// Package server connects the packages of pgherald to one server. pgherald serve, pgherald demo and the
// end-to-end tests run the same Server, from a Config of plain values.
//
// It promises:
//
//   - New opens the socket and reads certificates and keys, but does not connect to the database. So a wrong
//     setting or a port in use is an error before anything else happens.
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

	"github.com/pgherald/pgherald/api/auth"
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
}

// Server is a server of pgherald. It runs once.
type Server struct {
	config Config
	logger *slog.Logger
	level  *slog.LevelVar

	listener net.Listener
	sockets  *sockets
	http     *http.Server // its handler is set when the API exists
	serve    func(net.Listener) error
	tokens   *auth.JWT // nil if clients need no token
	metrics  *metrics.Metrics
	ready    chan struct{}
}

// New opens the socket for clients and reads the files that config names. The caller must call Run, which
// closes the socket. If New returns an error, it has closed the socket, including Options.Listener.
func New(ctx context.Context, config Config, options Options) (_ *Server, err error) {
	s := &Server{
		config: config, logger: options.Logger, level: options.Level, listener: options.Listener,
		metrics: metrics.New(Version()), ready: make(chan struct{}),
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
	if s.tokens, err = config.Tokens.checker(ctx, config.Limits.origins(), s.logger); err != nil {
		return nil, err
	}
	s.sockets = newSockets(config.Limits.sockets(), s.metrics, s.logger)
	if s.http, s.serve, err = config.Listen.httpServer(s.logger); err != nil {
		return nil, err
	}
	s.http.ConnState = s.sockets.changed
	return s, nil
}

// URL returns the base URL for clients.
func (s *Server) URL() string {
	return s.config.Listen.scheme() + "://" + s.listener.Addr().String()
}

// Ready returns a channel that is closed once the server serves clients and receives events.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run prepares the database, serves until ctx ends, and then drains. Call it once.
func (s *Server) Run(ctx context.Context) error {
	defer s.listener.Close()
	stopAdmin, err := s.serveAdmin()
	if err != nil {
		return err
	}
	defer stopAdmin()
	if err := s.config.Database.prepare(ctx, s.logger); err != nil {
		return err
	}
	p, err := s.openPipeline(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := s.serveClients(ctx, p); err != nil {
		return err
	}
	s.logger.Info("stopped")
	return nil
}

// serveClients runs the pipeline and the HTTP server until ctx ends. The pipeline outlives ctx, since
// streams receive events while they drain.
func (s *Server) serveClients(ctx context.Context, p *pipeline) error {
	stop := p.start(context.WithoutCancel(ctx))
	defer stop()
	if err := p.awaitLive(ctx); err != nil {
		return err
	}
	s.http.Handler = p.api.Handler()
	s.sockets.limits.streams = p.api.TakenOver
	served := make(chan error, 1)
	go func() { served <- s.serve(s.sockets.listener(s.listener)) }()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	var watcher sync.WaitGroup
	watcher.Go(func() { s.sockets.run(watching) })
	defer watcher.Wait()
	defer stopWatching()
	defer s.http.Close() // first: stop waits for the streams, and one may wait for its client to read
	s.logger.Info("serving", "url", s.URL(), "version", Version())
	close(s.ready)
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	err := s.drain(p.api)
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
