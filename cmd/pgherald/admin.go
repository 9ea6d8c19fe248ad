package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api/admin"
	"github.com/pgherald/pgherald/api/metrics"
)

// serveAdmin serves operators on an address of their own, from before the database is touched until
// stop is called, so that one can see why a server does not start or end.
func (c serveCmd) serveAdmin(a *app, m *metrics.Metrics) (stop func(), err error) {
	if c.AdminAddr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", c.AdminAddr)
	if err != nil {
		return nil, fmt.Errorf("serve operators on %s: %w", c.AdminAddr, err)
	}
	server := &http.Server{Handler: admin.Handler(m.Handler(), a.level, a.logger), ReadHeaderTimeout: 10 * time.Second}
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("operators are no longer served", "error", err)
		}
	})
	a.logger.Info("serving operators", "url", "http://"+l.Addr().String())
	return func() {
		_ = server.Close() // there is nothing to finish, and a profile may take half a minute
		running.Wait()
	}, nil
}

// sources are what the metrics ask the server for.
func (s *server) sources() metrics.Sources {
	pools := map[string]func() metrics.Pool{"log": poolOf(s.logPool)}
	if s.apiPool != nil {
		pools["api"] = poolOf(s.apiPool)
	}
	if s.activitiesPool != nil {
		pools["activities"] = poolOf(s.activitiesPool)
	}
	return metrics.Sources{
		Ready:    s.api.Ready,
		Stalled:  s.api.Stalled,
		Feed:     s.feed.Stats,
		Listener: s.listener.Status,
		Leader:   s.leader.Status,
		Pruner:   s.pruner.Status,
		Log:      s.monitor.Status,
		Pools:    pools,
	}
}

func poolOf(pool *pgxpool.Pool) func() metrics.Pool {
	return func() metrics.Pool {
		s := pool.Stat()
		return metrics.Pool{
			Total: s.TotalConns(), Idle: s.IdleConns(), Acquired: s.AcquiredConns(), Max: s.MaxConns(),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
		}
	}
}
