package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/api/schema"
	"github.com/pgherald/pgherald/api/sse"
)

// Handler serves a request of an identified client.
type Handler func(w http.ResponseWriter, r *http.Request, id auth.Identity)

// Route is one route of an API.
type Route struct {
	Path    string // a template of gorilla/mux
	Methods []string
	Access  Access
	Kind    admission.Kind // of its requests; empty if they do not use the database
	Handle  Handler        // nil if only a server with a database has the route
}

// Access says which identities may use a route. Without Auth, every client may.
type Access struct {
	needsRole bool
	role      string
}

// AnyIdentity admits every identified client.
func AnyIdentity() Access { return Access{} }

// RequireRole admits identities that have the role. An empty role admits no identity.
func RequireRole(role string) Access { return Access{needsRole: true, role: role} }

// Handler returns the handler for all routes.
func (a *API) Handler() http.Handler {
	r := a.router()
	known := a.features.hosts.Allowed.Protect(a.features.origins.protect(r), a.config.Logger)
	return sse.ServeOutermost(withSecurityHeaders(request.Bound(known, a.admitRequest, a.bodies)))
}

// errNothingHere is the problem of a path that no route has.
var errNothingHere = problem.New(http.StatusNotFound, "nothing is here: docs/protocol.md lists the paths")

func (a *API) router() *mux.Router {
	r := mux.NewRouter().SkipClean(true) // a key in a path may contain any characters, such as //
	r.NotFoundHandler = problem.Handler(errNothingHere.Status, errNothingHere.Detail)
	r.MethodNotAllowedHandler = methodNotAllowed(r)
	r.HandleFunc("/api/events", a.admitted(a.events)).Methods(http.MethodGet, http.MethodHead)
	var routes []Route
	documents := a.documents(func() []schema.Route { return a.routesOf(r, roleNeeded(routes)) })
	routes = slices.Concat(a.routes(), a.features.routes, documents)
	for _, route := range routes {
		a.add(r, route)
	}
	for path, handle := range map[string]http.HandlerFunc{
		"/livez": a.livez, "/healthz": a.livez, "/readyz": a.readyz, "/readyz/fresh": a.readyFresh, "/readyz/events": a.readyEvents,
	} {
		r.HandleFunc(path, handle).Methods(http.MethodGet, http.MethodHead)
	}
	if a.features.page != nil {
		r.PathPrefix("/").Handler(a.features.page).Methods(http.MethodGet, http.MethodHead)
	}
	return r
}

func (a *API) add(r *mux.Router, route Route) {
	if route.Handle == nil {
		r.HandleFunc(route.Path, a.identified(needsDatabase)).Methods(route.Methods...).Name(undescribed + strings.Join(route.Methods, ",") + route.Path)
		return
	}
	r.HandleFunc(route.Path, a.identified(a.permitted(route.Access, a.limited(route.Kind, route.Handle)))).Methods(route.Methods...)
}

// routes returns the routes of the engine that need an identity, except the streams.
func (a *API) routes() []Route {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	routes := []Route{{"/api/stats", get, RequireRole(a.features.auth.OperatorRole), "", a.stats}}
	if p := a.features.publishing; p.Publisher != nil {
		routes = append(routes, Route{"/api/events", post, RequireRole(p.Role), admission.KindControl, a.publish})
	}
	if a.features.operations.Read != nil {
		routes = append(routes, Route{"/api/operations", get, RequireRole(a.features.auth.OperatorRole), admission.KindControl, a.operations})
	}
	if a.features.history != nil {
		routes = append(routes, Route{"/api/log", get, AnyIdentity(), admission.KindList, a.history},
			Route{"/api/log/counts", get, AnyIdentity(), admission.KindList, a.counts})
	}
	if a.features.presence.List != nil {
		routes = append(routes, Route{"/api/presence", get, AnyIdentity(), admission.KindList, a.presence})
	}
	if a.features.auth.Authenticator != nil {
		routes = append(routes, Route{"/api/events/{connection}/token", post, AnyIdentity(), admission.KindControl, a.renew})
	}
	if a.revocations.store != nil && a.features.elsewhere == nil {
		routes = append(routes, Route{"/api/revocations", post, RequireRole(a.features.auth.OperatorRole), admission.KindControl, a.revoke})
	}
	if a.revocations.store != nil && a.features.auth.Disconnects != nil {
		routes = append(routes, Route{"/api/disconnect", post, RequireRole(a.features.auth.OperatorRole), admission.KindControl, a.disconnect})
	}
	if a.features.tickets != nil {
		routes = append(routes, Route{"/api/tickets", post, AnyIdentity(), admission.KindControl, a.issueTicket})
	}
	return append(routes, a.features.elsewhere...)
}

// methodNotAllowed answers a request whose path supports other methods only, and lists those.
func methodNotAllowed(router *mux.Router) http.Handler {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
			probe := r.Clone(r.Context())
			probe.Method = method
			var match mux.RouteMatch
			return !router.Match(probe, &match) || match.MatchErr != nil
		})
		list := strings.Join(allowed, ", ")
		w.Header().Set("Allow", list)
		problem.Write(w, r, problem.New(http.StatusMethodNotAllowed, r.Method+" is not supported here: use "+list))
	})
}

// withSecurityHeaders tells browsers not to guess the type of a response, and not to send its URL to other sites.
func withSecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
