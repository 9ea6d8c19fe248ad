package api

import (
	"net/http"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// Stats is the response of GET /api/stats. The original design document defines the first three fields.
type Stats struct {
	TotalConnections  uint64           `json:"totalConnections"`  // streams since start
	ActiveConnections int              `json:"activeConnections"` // streams open now
	ConnectionsByUser map[string]int   `json:"connectionsByUser"` // open streams of each user
	Feed              stream.FeedStats `json:"feed"`
	Listener          *ListenerStats   `json:"listener,omitempty"`
	Triggers          *status.Triggers `json:"triggers,omitempty"`
	Pruner            *status.Pruner   `json:"pruner,omitempty"`
}

// ListenerStats describes the connection that LISTENs, and the server's notify leader.
type ListenerStats struct {
	Live        bool           `json:"live"`
	RoundTripMS float64        `json:"roundTripMs"`      // of the last probe
	Reason      string         `json:"reason,omitempty"` // why it is not live
	Leader      *status.Leader `json:"leader,omitempty"`
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
	sessions := a.sessions.Counts()
	request.Respond(w, http.StatusOK, Stats{
		TotalConnections: sessions.Total, ActiveConnections: sessions.Active, ConnectionsByUser: sessions.ByName,
		Feed: a.config.Feed.Stats(), Listener: a.features.listening.stats(), Triggers: a.features.triggers.stats(),
		Pruner: a.features.pruning.stats(),
	})
}

// stats returns nil if nothing checks the triggers.
func (o Triggers) stats() *status.Triggers {
	if o.Status == nil {
		return nil
	}
	s := o.Status()
	return &s
}

// warning tells the reader of /readyz that events may be missed. It names no table, because every client may
// read it.
func (o Triggers) warning() string {
	if o.Status == nil {
		return ""
	}
	for _, d := range o.Status().Drift {
		if !d.Warning {
			return "triggers differ from the spec: see /api/stats or run pgherald triggers check"
		}
	}
	return ""
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
		body := map[string]string{"status": "ready"}
		if warning := a.features.triggers.warning(); warning != "" {
			body["warning"] = warning
		}
		request.Respond(w, http.StatusOK, body)
	}
}

// stats returns nil if nothing prunes the log.
func (o Pruning) stats() *status.Pruner {
	if o.Status == nil {
		return nil
	}
	s := o.Status()
	return &s
}
