package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// httpServer serves the sockets of clients. It has a server of net/http for each tier.
//
// net/http starts a goroutine for each request of an HTTP/2 connection before it calls a handler, and answers some requests
// itself. So the number of requests that a connection may have open is all that bounds the memory of clients that read no
// answers. A browser needs few, a proxy has few connections: the more sockets are open, the fewer requests a new connection may
// have.
type httpServer struct {
	tiers []*tier
	start func(*http.Server, net.Listener) error
	pick  func(net.Conn) int // the tier of a new connection
	// isEnding is whether Close or Shutdown was called: the first tier that they reach closes the listener of all.
	isEnding atomic.Bool
}

// tier serves connections with the same limit of requests.
type tier struct {
	*http.Server
	accepted chan accepted
	closed   chan struct{}
	close    sync.Once
}

// accepted holds a result of a listener's Accept.
type accepted struct {
	conn net.Conn
	err  error
}

// maxRequests are the requests that a connection of HTTP/2 may have open at the same time, by tier. A browser shares one
// connection among its tabs; over HTTP/1.1 it has six requests.
var maxRequests = [...]uint32{100, 32, 16}

// tierOf returns the tier of a new connection if so many sockets are open. With a budget of 512 MiB, the first 32 connections
// have the first tier, and the next 224 the second. One request takes about 16 KiB: a thousand connections can have 22,000
// requests open, which take two thirds of the budget.
func tierOf(sockets int, budget int64) int {
	switch {
	case int64(sockets) <= budget>>24:
		return 0
	case int64(sockets) <= budget>>21:
		return 1
	}
	return 2
}

// handle sets the handler. It must be called before serve.
func (h *httpServer) handle(handler http.Handler) {
	for _, t := range h.tiers {
		t.Handler = accounting{handler}
	}
}

// serve serves the sockets that l accepts, until Close or Shutdown: then the error is http.ErrServerClosed.
func (h *httpServer) serve(l net.Listener) error {
	l = &onceListener{Listener: l}
	errs := make([]error, len(h.tiers))
	var running sync.WaitGroup
	for i, t := range h.tiers {
		running.Go(func() {
			sockets := handoff{l, t}
			errs[i] = h.start(t.Server, sockets)
			_ = sockets.Close() // ServeTLS leaves it open if it fails before it serves, and accept would wait
		})
	}
	h.accept(l)
	running.Wait()
	if h.isEnding.Load() {
		return http.ErrServerClosed
	}
	return errs[0]
}

// accept gives each socket to its tier. The first one also receives the errors: net/http pauses after one that passes, and
// ends at any other.
func (h *httpServer) accept(l net.Listener) {
	defer h.closeTiers()
	for {
		conn, err := l.Accept()
		t := h.tiers[0]
		if err == nil {
			t = h.tiers[h.pick(conn)]
		}
		select {
		case t.accepted <- accepted{conn, err}:
		case <-t.closed:
			if conn != nil {
				_ = conn.Close() // the client may already be gone
			}
		}
		if err != nil && !isTemporary(err) {
			return
		}
	}
}

// isTemporary reports whether net/http calls Accept again after an error, such as one about too many open files.
func isTemporary(err error) bool {
	passing, ok := errors.AsType[net.Error](err)
	return ok && passing.Temporary() //nolint:staticcheck // net/http asks the same
}

func (h *httpServer) closeTiers() {
	for _, t := range h.tiers {
		t.close.Do(func() { close(t.closed) })
	}
}

// Close closes all connections.
func (h *httpServer) Close() error {
	return h.each((*http.Server).Close)
}

// Shutdown waits until no connection has a request, or ctx ends.
func (h *httpServer) Shutdown(ctx context.Context) error {
	return h.each(func(s *http.Server) error { return s.Shutdown(ctx) })
}

func (h *httpServer) each(do func(*http.Server) error) error {
	h.isEnding.Store(true)
	errs := make([]error, len(h.tiers))
	var running sync.WaitGroup
	for i, t := range h.tiers {
		running.Go(func() { errs[i] = do(t.Server) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// handoff is the listener of a tier.
type handoff struct {
	net.Listener
	tier *tier
}

// Accept returns the next connection of the tier.
func (h handoff) Accept() (net.Conn, error) {
	select {
	case a := <-h.tier.accepted:
		return a.conn, a.err
	case <-h.tier.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener of all tiers.
func (h handoff) Close() error {
	h.tier.close.Do(func() { close(h.tier.closed) })
	return h.Listener.Close()
}

// onceListener is a listener that every tier may close.
type onceListener struct {
	net.Listener
	close sync.Once
	err   error
}

// Close closes the listener once.
func (o *onceListener) Close() error {
	o.close.Do(func() { o.err = o.Listener.Close() })
	return o.err
}
