package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/pgherald/pgherald/api/auth"
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

// Stats is the body of GET /api/stats. Its first three fields are the seed's.
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

func (a *API) stats(w http.ResponseWriter, _ *http.Request, _ auth.Identity) {
	s := a.connections.stats()
	s.Feed = a.config.Feed.Stats()
	if a.config.Listener != nil {
		s.Listener = a.listenerStats()
	}
	writeStatus(w, http.StatusOK, s)
}

// listenerStats must be called only if the configuration has a listener.
func (a *API) listenerStats() *ListenerStats {
	l := a.config.Listener()
	stats := &ListenerStats{Live: l.Live, RoundTripMS: float64(l.RoundTrip.Microseconds()) / 1000, Reason: l.Reason}
	if a.config.Leader != nil {
		leader := a.config.Leader()
		stats.Leader = &leader
	}
	return stats
}

// healthz says that the process answers, and nothing more.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Ready returns nil if events are arriving and clients may come, and otherwise why not.
func (a *API) Ready() error {
	if a.stopping.Err() != nil {
		return errors.New("draining")
	}
	return a.config.Ready()
}

// readyz says whether events are arriving, for a load balancer to decide on.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	err := a.config.Ready()
	switch {
	case a.stopping.Err() != nil:
		writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
	case err != nil:
		writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
	default:
		writeStatus(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}

func writeStatus(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // nobody is left to tell if the client is gone
}
