package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/status"
)

// Operations adds GET /api/operations.
type Operations struct {
	// Read describes all servers, within ctx. Required.
	Read func(ctx context.Context) status.Operations
}

func (o Operations) addTo(f *features) error {
	if o.Read == nil {
		return errors.New("make the API: Operations.Read is required")
	}
	f.operations = o
	return nil
}

// operations serves GET /api/operations.
func (a *API) operations(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	request.Respond(w, http.StatusOK, a.features.operations.Read(ctx))
}

// Report returns what the API knows about this server.
func (a *API) Report() status.Report {
	report := status.Report{
		Ready: a.Ready() == nil, Streams: a.sessions.Counts().Active, Events: a.config.Feed.Stats().Events, Resets: a.config.Metrics.Resets(),
	}
	if lastRead, isStale := a.streams.Stale(); isStale {
		report.StaleSince = lastRead.UTC()
	}
	if leader := a.features.listening.Leader; leader != nil {
		l := leader()
		report.Leader, report.Terms = l.State, l.Terms
	}
	return report
}
