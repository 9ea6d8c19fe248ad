package api

import (
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

// Stats is the response of GET /api/stats. The original design document defines the first three fields.
type Stats struct {
	TotalConnections  uint64           `json:"totalConnections"`     // streams since start
	ActiveConnections int              `json:"activeConnections"`    // streams open now
	ConnectionsByUser map[string]int   `json:"connectionsByUser"`    // open streams of each user
	StaleSince        *time.Time       `json:"staleSince,omitempty"` // the last read of the log, while clients know that it cannot be read
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
	var staleSince *time.Time
	if lastRead, isStale := a.streams.Stale(); isStale {
		lastRead = lastRead.UTC()
		staleSince = &lastRead
	}
	request.Respond(w, http.StatusOK, Stats{
		TotalConnections: sessions.Total, ActiveConnections: sessions.Active, ConnectionsByUser: sessions.ByName,
		StaleSince: staleSince, Feed: a.config.Feed.Stats(), Listener: a.features.listening.stats(), Triggers: a.features.triggers.stats(),
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

// stats returns nil if nothing prunes the log.
func (o Pruning) stats() *status.Pruner {
	if o.Status == nil {
		return nil
	}
	s := o.Status()
	return &s
}
