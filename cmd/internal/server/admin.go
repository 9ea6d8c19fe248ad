package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api/admin"
	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/metrics"
)

// serveAdmin serves operators until stop is called. Run calls it before it connects to the database and calls
// stop last, so that operators can observe a slow start or shutdown.
func (s *Server) serveAdmin() (stop func(), err error) {
	addr := s.config.Listen.AdminAddr
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve operators on %s: %w", addr, err)
	}
	handler := s.protectAdmin(admin.Handler(s.metrics.Handler(), s.level, s.logger))
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("admin server stopped", "error", err)
		}
	})
	s.logger.Info("serving operators", "url", "http://"+l.Addr().String())
	return func() {
		_ = server.Close() // does not wait for requests: a profile may take half a minute
		running.Wait()
	}, nil
}

// protectAdmin refuses what the browsers of operators send for pages of others. A GET has effects here, too: it
// may make a profile.
func (s *Server) protectAdmin(next http.Handler) http.Handler {
	always := func(*http.Request) bool { return true }
	next = browser.NewForeignPages().Refuse(next, always, "pages of other origins have no access to the operators' address")
	return browser.Hosts(s.config.Listen.AllowedHosts).Protect(next, s.logger)
}

// sources returns what the metrics read from the pipeline at each scrape.
func (p *pipeline) sources() metrics.Sources {
	pools := map[string]func() metrics.Pool{"log": poolSource(p.log.pool, p.log), "probe": poolSource(p.log.probePool, nil)}
	for name, pool := range p.pools {
		pools[name] = poolSource(pool, pool)
	}
	return metrics.Sources{
		Ready:     p.api.Ready,
		StaleFor:  p.api.StaleFor,
		Stalled:   p.api.Stalled,
		Feed:      p.feed.Stats,
		Listener:  p.log.listener.Status,
		Leader:    p.log.leader.Status,
		Pruner:    p.pruner.Status,
		Log:       p.monitor.Status,
		LogResets: p.log.Resets,
		Triggers:  p.watcher.Status,
		Consumers: p.consumers.Status,
		Pools:     pools,
	}
}

// poolSource returns the figures of a pool. refuser counts the waits for a connection that ended without one; nil counts
// none.
func poolSource(pool interface{ Stat() *pgxpool.Stat }, refuser interface{ Refused() uint64 }) func() metrics.Pool {
	return func() metrics.Pool {
		s := pool.Stat()
		m := metrics.Pool{
			Total: s.TotalConns(), Idle: s.IdleConns(), Acquired: s.AcquiredConns(), Max: s.MaxConns(),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
		}
		if refuser != nil {
			m.Refused = refuser.Refused()
		}
		return m
	}
}
