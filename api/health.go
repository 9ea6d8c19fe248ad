package api

import (
	"net/http"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// health is the body of the health endpoints.
type health struct {
	Status     string `json:"status"`
	Reason     string `json:"reason,omitempty"`     // why not
	StaleSince string `json:"staleSince,omitempty"` // see stream.Sync.Since
	Warning    string `json:"warning,omitempty"`
}

// livez reports that the process answers.
func (a *API) livez(w http.ResponseWriter, _ *http.Request) {
	request.Respond(w, http.StatusOK, health{Status: "ok"})
}

// readyz reports to a load balancer whether the server accepts streams. It does while the log cannot be read, too: clients
// resume from memory, or wait, and know that they are stale. If the database is down, all servers would fail otherwise, and
// the load balancer would answer with a 503, after which an EventSource never returns.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	if !a.respondDraining(w) {
		a.respondReady(w)
	}
}

// readyFresh is readyz for a load balancer that falls back to another check if no server passes this one: it fails while
// another server may have the events that this one cannot read.
func (a *API) readyFresh(w http.ResponseWriter, _ *http.Request) {
	switch {
	case a.respondDraining(w):
	case a.streams.IsStaleBeyondLimit():
		a.respondNotReady(w, "the event log has not been read for --stale-limit, and another server may be able to")
	default:
		a.respondReady(w)
	}
}

// readyEvents reports to operators whether events arrive.
func (a *API) readyEvents(w http.ResponseWriter, _ *http.Request) {
	if a.respondDraining(w) {
		return
	}
	if err := a.Ready(); err != nil {
		a.respondNotReady(w, problem.Reason(err))
		return
	}
	a.respondReady(w)
}

func (a *API) respondDraining(w http.ResponseWriter) bool {
	isDraining := a.draining.Err() != nil
	if isDraining {
		request.Respond(w, http.StatusServiceUnavailable, health{Status: "draining"})
	}
	return isDraining
}

func (a *API) respondNotReady(w http.ResponseWriter, reason string) {
	request.Respond(w, http.StatusServiceUnavailable, health{Status: "not ready", Reason: reason, StaleSince: a.staleSince()})
}

func (a *API) respondReady(w http.ResponseWriter) {
	request.Respond(w, http.StatusOK, health{Status: "ready", StaleSince: a.staleSince(), Warning: a.features.triggers.warning()})
}

// staleSince returns the time of the last read of the log while clients know that it cannot be read, otherwise "".
func (a *API) staleSince() string {
	lastRead, isStale := a.streams.Stale()
	if !isStale {
		return ""
	}
	return stream.Stale(lastRead).Since
}

// warning tells the reader of /readyz that events may be missed. It names no table, because every client may
// read it.
func (o Triggers) warning() string {
	if o.Status == nil {
		return ""
	}
	for _, d := range o.Status().Drift {
		if !d.Warning {
			return "triggers differ from the spec: see /api/stats or run pgherald check"
		}
	}
	return ""
}
