package api

import (
	"net/http"
	"sync"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// connections counts the streams.
type connections struct {
	mu     sync.Mutex
	total  uint64
	byUser map[string]int
}

func newConnections() *connections { return &connections{byUser: make(map[string]int)} }

func (c *connections) open(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	c.byUser[user]++
}

func (c *connections) close(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byUser[user]--; c.byUser[user] == 0 {
		delete(c.byUser, user)
	}
}

// Stats is the response of GET /api/stats. The original design document defines the first three fields.
type Stats struct {
	TotalConnections  uint64           `json:"totalConnections"`  // streams since start
	ActiveConnections int              `json:"activeConnections"` // streams open now
	ConnectionsByUser map[string]int   `json:"connectionsByUser"` // those, by user
	Feed              stream.FeedStats `json:"feed"`
	Listener          *ListenerStats   `json:"listener,omitempty"`
}

// ListenerStats describes the connection that LISTENs, and the server's notify leader.
type ListenerStats struct {
	Live        bool           `json:"live"`
	RoundTripMS float64        `json:"roundTripMs"`      // of the last probe
	Reason      string         `json:"reason,omitempty"` // why it is not live
	Leader      *status.Leader `json:"leader,omitempty"`
}

func (c *connections) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{TotalConnections: c.total, ConnectionsByUser: make(map[string]int, len(c.byUser))}
	for user, n := range c.byUser {
		s.ConnectionsByUser[user] = n
		s.ActiveConnections += n
	}
	return s
}

// stats returns nil if there is no listener.
func (o Listening) stats() *ListenerStats {
	if o.Listener == nil {
		return nil
	}
	l := o.Listener()
	stats := &ListenerStats{Live: l.Live, RoundTripMS: float64(l.RoundTrip.Microseconds()) / 1000, Reason: l.Reason}
	if o.Leader != nil {
		leader := o.Leader()
		stats.Leader = &leader
	}
	return stats
}

// stats serves GET /api/stats.
func (a *API) stats(w http.ResponseWriter, _ *http.Request, _ auth.Identity) {
	s := a.connections.stats()
	s.Feed = a.config.Feed.Stats()
	s.Listener = a.features.listening.stats()
	request.Respond(w, http.StatusOK, s)
}

// healthz reports that the process answers.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) {
	request.Respond(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz reports to a load balancer whether the server is ready for clients.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	err := a.config.Ready()
	switch {
	case a.draining.Err() != nil:
		request.Respond(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
	case err != nil:
		request.Respond(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
	default:
		request.Respond(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}
