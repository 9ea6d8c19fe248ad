package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// serveMetrics serves a process's /metrics, and what else the handler has, at an address until stop is called. Without an address, it
// serves nothing.
func serveMetrics(a *app, address string, metrics http.Handler) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics on %s: %w", address, err)
	}
	server := &http.Server{Handler: metrics, ReadHeaderTimeout: 10 * time.Second}
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("metrics not served any more", "error", err)
		}
	})
	a.logger.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() {
		_ = server.Close()
		running.Wait()
	}, nil
}
