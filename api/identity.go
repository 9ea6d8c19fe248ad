package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
)

// maxUserName is the maximum length, in characters, of the name that an anonymous client gives itself.
const maxUserName = 200

// identified calls handle with the client's identity, or refuses the request.
func (a *API) identified(handle Handler) http.HandlerFunc {
	return a.identifiedBy(a.identify, func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			w = &identifiedResponse{ResponseWriter: w, request: r, check: func() error { return a.checkIdentity(id) }}
		}
		handle(w, r, id)
	})
}

func (a *API) identifiedBy(identify func(*http.Request) (auth.Identity, error), handle Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id, err := identify(r)
		id.Identified = began
		if err != nil {
			problem.Log(a.config.Logger, r, err)
			a.refuse(w, r, err)
			return
		}
		if !id.Expires.IsZero() && r.Body != nil && r.Body != http.NoBody {
			r.Body = &identifiedBody{ReadCloser: r.Body, check: func() error { return a.checkIdentity(id) }}
		}
		handle(w, r, id)
	}
}

// permitted calls handle if the identity has access, or refuses the request.
func (a *API) permitted(access Access, handle Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if !a.permits(access, id) {
			a.refuse(w, r, auth.RoleRequired())
			return
		}
		handle(w, r, id)
	}
}

// limited calls handle once the client has few enough requests of the kind in progress, or refuses the request.
func (a *API) limited(kind admission.Kind, handle Handler) Handler {
	if kind == "" {
		return handle
	}
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		done, err := a.admitKind(r, kind, id.User)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		defer done()
		if err := a.checkIdentity(id); err != nil { // it may have ended meanwhile
			a.refuse(w, r, err)
			return
		}
		handle(w, r, id)
	}
}

func (a *API) admitKind(r *http.Request, kind admission.Kind, user string) (done func(), err error) {
	done, err = a.config.Requests.Admit(r.Context(), kind, r, user)
	var rejection *admission.Rejection
	if errors.As(err, &rejection) {
		a.config.Metrics.RequestRejected(rejection.Limit)
	}
	return done, err
}

func (a *API) permits(access Access, id auth.Identity) bool {
	return a.features.auth.Authenticator == nil || !access.needsRole || access.role != "" && id.HasRole(access.role)
}

// identify returns the client's identity. Without Auth every client is anonymous.
func (a *API) identify(r *http.Request) (auth.Identity, error) {
	if a.features.auth.Authenticator == nil {
		return auth.Identity{}, nil
	}
	id, err := a.features.auth.Authenticator.Authenticate(r)
	if err != nil {
		return auth.Identity{}, err
	}
	err = a.revocations.check(id)
	if refresher, ok := a.features.auth.Authenticator.(auth.Refresher); ok && err != nil && a.revocations.isRevoked(id) {
		if id, err = refresher.Refresh(r); err == nil { // the revocation is newer than what was remembered
			err = a.revocations.check(id)
		}
	}
	return id, err
}

// identifyStream returns the identity of a client that opens a stream, which may send a ticket in place of a token. If there
// is a ticket, the ticket decides: an invalid one is refused even with a valid token.
func (a *API) identifyStream(r *http.Request) (auth.Identity, error) {
	query := r.URL.Query()
	given := query[auth.TicketParam]
	switch {
	case len(given) == 0 || a.features.tickets == nil:
		return a.identify(r)
	case len(given) > 1:
		return auth.Identity{}, problem.InvalidParameter(auth.TicketParam, "is given twice")
	case r.Method == http.MethodHead:
		return auth.Identity{}, problem.InvalidParameter(auth.TicketParam, "works once, so that HEAD would use it up: send a token, or GET")
	case query.Has(auth.URLParam):
		return auth.Identity{}, problem.InvalidParameter(auth.URLParam, "cannot be combined with a ticket")
	}
	done, err := a.admitKind(r, admission.KindControl, "") // the ticket's user is not known yet
	if err != nil {
		return auth.Identity{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	id, err := a.features.tickets.Redeem(ctx, given[0])
	if err != nil {
		return auth.Identity{}, err
	}
	return id, a.revocations.check(id)
}

// refuse answers a request that the client has no right to make, or not now.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err)
	a.config.Logger.Debug("request refused", "remote", r.RemoteAddr, "path", r.URL.Path, "status", p.Status, "code", p.Code)
	refuseStream(w, r, err)
}

// withName returns the identity with the name that an anonymous client gives itself in the query. The name gives no rights.
// withName returns a problem if the query has a parameter that has no effect at this server.
func (a *API) withName(id auth.Identity, query url.Values) (auth.Identity, error) {
	checks := a.features.auth.Authenticator != nil
	names := query["user"]
	switch {
	case !checks && query.Has(auth.URLParam):
		return id, problem.InvalidParameter(auth.URLParam, "has no effect: this server checks no tokens")
	case a.features.tickets == nil && query.Has(auth.TicketParam):
		return id, problem.InvalidParameter(auth.TicketParam, "has no effect: this server issues no tickets")
	case len(names) == 0:
		return id, nil
	case checks:
		return id, problem.InvalidParameter("user", "has no effect: on this server the token names the user")
	case len(names) > 1:
		return id, problem.InvalidParameter("user", "is given twice")
	case names[0] == "" || !utf8.ValidString(names[0]) || utf8.RuneCountInString(names[0]) > maxUserName:
		return id, problem.InvalidParameter("user", "must be a name of 1 to 200 characters")
	}
	id.User = names[0]
	return id, nil
}
