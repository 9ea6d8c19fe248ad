package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/api/session"
	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	// renewalTimeout bounds the wait for the answer of the server that has the stream. An answer takes some milliseconds.
	renewalTimeout = 2 * time.Second
	// firstResultDelay is the time until a server first looks for the answer. The delay doubles each time.
	firstResultDelay = 5 * time.Millisecond
	// maxRenewals bounds the queue of requests from other servers. A request beyond it is not answered: its client opens a
	// new stream.
	maxRenewals = 1024
)

// renewal is the response of POST /api/events/{connection}/token.
type renewal struct {
	Expires int64 `json:"expires"` // Unix milliseconds
}

var (
	errNoConnection = &problem.Problem{Status: http.StatusNotFound, Code: "connection",
		Detail: "no server has a stream with this connection: open a new stream, with the last id"}
	errOtherRights = &problem.Problem{Status: http.StatusConflict, Code: "other_rights",
		Detail: "the token has another user or other grants than the stream: open a new stream with it, and with the last id"}
)

// renew serves POST /api/events/{connection}/token: it renews the lease of a stream until the request's token expires.
func (a *API) renew(w http.ResponseWriter, r *http.Request, id auth.Identity) {
	connection := mux.Vars(r)["connection"]
	until, err := a.renewWith(r, connection, id)
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	request.Respond(w, http.StatusOK, renewal{Expires: until.UnixMilli()})
}

// renewWith renews a lease with the identity of a request. One that is remembered ends when the lease does, so that a new
// one is needed.
func (a *API) renewWith(r *http.Request, connection string, id auth.Identity) (time.Time, error) {
	if refresher, ok := a.features.auth.Authenticator.(auth.Refresher); ok {
		var err error
		if id, err = refresher.Refresh(r); err != nil {
			return time.Time{}, err
		}
	}
	until, err := a.renewHere(connection, id)
	if errors.Is(err, errNoConnection) && a.features.auth.Renewals != nil {
		return a.renewElsewhere(r.Context(), connection, id)
	}
	return until, err
}

func (a *API) renewHere(connection string, id auth.Identity) (time.Time, error) {
	has, _, ok := a.sessions.Lease(connection)
	if ok && has != session.RightsOf(id) {
		return time.Time{}, errOtherRights
	}
	until, ok := a.sessions.Renew(connection, id)
	if !ok {
		return time.Time{}, errNoConnection
	}
	return until, nil
}

// renewElsewhere requests the renewal from the server that has the stream, and waits for its answer.
func (a *API) renewElsewhere(ctx context.Context, connection string, id auth.Identity) (time.Time, error) {
	if len(connection) != session.ConnectionLength {
		return time.Time{}, errNoConnection // no server issued it
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rights := session.RightsOf(id)
	if err := a.features.auth.Renewals.Request(ctx, connection, rights[:], id); err != nil {
		return time.Time{}, err
	}
	deadline := time.Now().Add(a.renewalTimeout)
	for delay := firstResultDelay; time.Now().Before(deadline); delay *= 2 {
		if err := backoff.Sleep(ctx, delay); err != nil {
			return time.Time{}, err
		}
		until, accepted, answered, err := a.features.auth.Renewals.Result(ctx, connection, rights[:])
		switch {
		case err != nil:
			return time.Time{}, err
		case answered && !accepted:
			return time.Time{}, errOtherRights
		case answered:
			return until, nil
		}
	}
	return time.Time{}, errNoConnection
}

// RenewalRequested tells the API that a server has requested the renewal of a connection. If the stream is at this server,
// Run answers the request. RenewalRequested does not block.
func (a *API) RenewalRequested(connection string) {
	if _, _, ok := a.sessions.Lease(connection); !ok {
		return
	}
	select {
	case a.renewals <- connection:
	default:
	}
}

// runRenewals answers requests until ctx ends.
func (a *API) runRenewals(ctx context.Context) {
	for {
		select {
		case connection := <-a.renewals:
			if err := a.answerRenewal(ctx, connection); err != nil && ctx.Err() == nil {
				a.config.Logger.Warn("renewal not answered", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (a *API) answerRenewal(ctx context.Context, connection string) error {
	rights, end, ok := a.sessions.Lease(connection)
	if !ok || a.features.auth.Renewals == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.renewalTimeout)
	defer cancel()
	return a.features.auth.Renewals.Answer(ctx, connection, rights[:], end, func(token auth.Identity) bool {
		_, ok := a.sessions.Renew(connection, token)
		return ok
	})
}
