package api

import (
	"context"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/backoff"
)

// disconnectTimeout bounds the wait for the other servers' counts. They take some milliseconds; a server of an earlier
// version gives none.
const disconnectTimeout = time.Second

// disconnected is the response of POST /api/disconnect.
type disconnected struct {
	Streams  int  `json:"streams"`  // that ended at the servers that have answered
	Servers  int  `json:"servers"`  // that have answered
	Complete bool `json:"complete"` // all servers have
}

// disconnect serves POST /api/disconnect. When it answers, the streams at this server have ended.
func (a *API) disconnect(w http.ResponseWriter, r *http.Request, by auth.Identity) {
	ended, err := a.storeDisconnect(w, r, by)
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	request.Respond(w, http.StatusOK, disconnected{Streams: ended.Streams, Servers: ended.Servers, Complete: ended.Servers >= ended.Running})
}

func (a *API) storeDisconnect(w http.ResponseWriter, r *http.Request, by auth.Identity) (auth.Ended, error) {
	d, err := decodeDisconnect(w, r, a.config.MaxBody)
	if err != nil {
		return auth.Ended{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	id, err := a.revocations.disconnects.Disconnect(ctx, d)
	if err != nil {
		return auth.Ended{}, describeInvalidRevocation(err)
	}
	if err := a.revocations.read(ctx); err != nil {
		return auth.Ended{}, err
	}
	ended, err := a.awaitEnded(ctx, id)
	if err == nil {
		a.config.Logger.Info("streams ended by an operator", "operator", by.Name(), "user", d.User, "jti", d.TokenID,
			"streams", ended.Streams, "servers", ended.Servers)
	}
	return ended, err
}

// awaitEnded waits until every server that runs has read a disconnect, or for disconnectTimeout.
func (a *API) awaitEnded(ctx context.Context, id int64) (ended auth.Ended, err error) {
	deadline := time.Now().Add(disconnectTimeout)
	for delay := firstResultDelay; ; delay *= 2 {
		ended, err = a.revocations.disconnects.Ended(ctx, id)
		if err != nil || ended.Servers >= ended.Running || time.Now().Add(delay).After(deadline) {
			return ended, err
		}
		if err := backoff.Sleep(ctx, delay); err != nil {
			return ended, err
		}
	}
}

func decodeDisconnect(w http.ResponseWriter, r *http.Request, maxBody int64) (d auth.Disconnect, err error) {
	var jti, user, before, until *string
	err = request.Decode(w, r, maxBody, []request.Member{
		{Name: "jti", Text: &jti, Length: maxTokenID},
		{Name: "user", Text: &user, Length: maxTokenID},
		request.Label("issuedBefore", &before),
		request.Label("until", &until),
	})
	if err != nil {
		return d, err
	}
	if d.IssuedBefore, err = parseTime("issuedBefore", before); err != nil {
		return d, err
	}
	if d.Until, err = parseTime("until", until); err != nil {
		return d, err
	}
	if jti != nil {
		d.TokenID = *jti
	}
	if user != nil {
		d.User = *user
	}
	return d, nil
}

// disconnectHere ends the streams of this server whose tokens match, and returns how many they were.
func (a *API) disconnectHere(matches func(auth.Identity) bool) (ended int) {
	if refresher, ok := a.features.auth.Authenticator.(auth.Refresher); ok {
		refresher.Forget(matches) // the application decides anew who may connect
	}
	return a.sessions.Disconnect(matches)
}

// apply ends the streams of the disconnects that this server has not read yet. The caller holds mu. If the list is
// complete, it also says which ones the database still has. Those that are there at the start have no streams here: of them
// it only says that it has read the newest, whose requests wait for the servers that run.
func (v *revocations) apply(ctx context.Context, list []auth.Disconnect, isComplete bool) {
	before := v.applied
	if isComplete || before == nil {
		v.applied = make(map[int64]struct{}, len(list))
	}
	for _, d := range list {
		_, known := before[d.ID]
		v.applied[d.ID] = struct{}{}
		isFirst := before == nil
		if known || isFirst && !d.IsNew {
			continue
		}
		ended := 0
		if !isFirst {
			ended = v.disconnect(d.Matches)
		}
		if v.disconnects == nil {
			continue
		}
		if err := v.disconnects.CountEnded(ctx, d.ID, ended); err != nil { // the response then says less
			v.logger.Warn("streams ended by an operator not counted", "streams", ended, "error", err)
		}
	}
}
