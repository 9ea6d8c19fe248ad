package api

import (
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/pgherald/pgherald/api/auth"
)

// maxUserName is how long a name may be that a client without a token gives itself, in characters.
const maxUserName = 200

// Roles are what a token's roles must hold for what not every user may do. With Config.Auth, what
// has no role here is for nobody; without, everything is for everybody.
type Roles struct {
	Write   string // the activities
	Publish string // custom events
	Operate string // what operators see
}

// identifiedHandler is a handler that is told who asks.
type identifiedHandler func(w http.ResponseWriter, r *http.Request, id auth.Identity)

// identified refuses requests of which it is not known who asks.
func (a *API) identified(handle identifiedHandler) http.HandlerFunc {
	return a.identifiedBy(a.identify, handle)
}

func (a *API) identifiedBy(check func(*http.Request) (auth.Identity, error), handle identifiedHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := check(r)
		if err != nil {
			report(a.config.Logger, r, err)
			a.refuse(w, r, err)
			return
		}
		handle(w, r, id)
	}
}

// withRole refuses whoever has not the role.
func (a *API) withRole(role string, handle identifiedHandler) http.HandlerFunc {
	return a.identified(func(w http.ResponseWriter, r *http.Request, id auth.Identity) {
		if !a.may(id, role) {
			a.refuse(w, r, auth.RoleRequired())
			return
		}
		handle(w, r, id)
	})
}

// writers refuses whoever may not change activities.
func (a *API) writers(handle identifiedHandler) http.HandlerFunc {
	return a.withRole(a.config.Roles.Write, handle)
}

func (a *API) identify(r *http.Request) (auth.Identity, error) {
	if a.config.Auth == nil {
		return auth.Identity{}, nil
	}
	return a.config.Auth.Check(r)
}

func (a *API) may(id auth.Identity, role string) bool {
	return a.config.Auth == nil || role != "" && id.Has(role)
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	a.config.Logger.Debug("request refused", "remote", r.RemoteAddr, "path", r.URL.Path, "status", p.Status, "code", p.Code)
	writeProblem(w, r, err)
}

// named gives a stream of which nobody checks who opens it the name that its client asks for.
func (a *API) named(id auth.Identity, query url.Values) (auth.Identity, error) {
	names := query["user"]
	switch {
	case a.config.Auth == nil && query.Has(auth.URLParam):
		return id, badParameter(auth.URLParam, "has no effect: this server checks no tokens")
	case a.tickets == nil && query.Has(auth.TicketParam):
		return id, badParameter(auth.TicketParam, "has no effect: this server checks no tokens")
	case len(names) == 0:
		return id, nil
	case a.config.Auth != nil:
		return id, badParameter("user", "is for servers that check no tokens: here the token says who you are")
	case len(names) > 1:
		return id, badParameter("user", "is given twice")
	case names[0] == "" || !utf8.ValidString(names[0]) || utf8.RuneCountInString(names[0]) > maxUserName:
		return id, badParameter("user", "must be a name of 1 to 200 characters")
	}
	id.User = names[0]
	return id, nil
}
