package api

import (
	"cmp"
	"net/http"
	"strings"
	"sync"

	"github.com/gorilla/mux"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/schema"
)

// Schema completes what GET /api/schema and the documents beside it say.
type Schema struct {
	Version string                // of the server
	Events  func() []schema.Event // of the spec; nil means none
	// Changes counts the changes of what the documents describe; nil means that there are none.
	Changes      func() uint64
	TokensInURLs bool // whether the Authenticator accepts the parameter access_token
	// Operations describe the routes of an application, by method and path. A route without one is left out.
	Operations map[string]schema.Operation
}

func (o Schema) changes() uint64 {
	if o.Changes == nil {
		return 0
	}
	return o.Changes()
}

func (o Schema) addTo(f *features) error {
	f.schema = o
	return nil
}

// documents returns the routes of the documents that describe the API. They describe the routes that listed returns at
// the first request.
func (a *API) documents(listed func() []schema.Route) []Route {
	var making sync.Mutex // one at a time: each takes ten times its size in memory
	route := func(path, mediaType string, generate func(schema.Source) []byte) Route {
		document := schema.NewDocument(mediaType, a.features.schema.changes, func() []byte {
			making.Lock()
			defer making.Unlock()
			return generate(a.source(listed()))
		})
		return Route{Path: path, Methods: []string{http.MethodGet, http.MethodHead}, Access: AnyIdentity(),
			Handle: func(w http.ResponseWriter, r *http.Request, _ auth.Identity) { document.ServeHTTP(w, r) }}
	}
	return []Route{
		route("/api/schema", "application/schema+json", schema.JSONSchema),
		route("/api/schema/openapi.json", "application/json", schema.OpenAPI),
		route("/api/schema/asyncapi.json", "application/json", schema.AsyncAPI),
	}
}

// source returns what the documents describe.
func (a *API) source(routes []schema.Route) schema.Source {
	o, hasTokens := a.features.schema, a.features.auth.Authenticator != nil
	var events []schema.Event
	if o.Events != nil {
		events = o.Events()
	}
	return schema.Source{
		Version: cmp.Or(o.Version, "unknown"), Collections: a.config.Collections, Events: events, Routes: routes,
		Security: schema.Security{Tokens: hasTokens, TokensInURLs: hasTokens && o.TokensInURLs, Tickets: a.features.tickets != nil},
	}
}

// routesOf returns the routes of a router, except the page. needsRole says which routes need a role, by method and path.
func (a *API) routesOf(r *mux.Router, needsRole map[string]bool) []schema.Route {
	var routes []schema.Route
	_ = r.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error { // the function returns no error
		path, err := route.GetPathTemplate()
		if err != nil || path == "/" || strings.HasPrefix(route.GetName(), undescribed) {
			return nil
		}
		methods, _ := route.GetMethods()
		for _, method := range methods {
			name := method + " " + path
			described := schema.Route{Method: method, Path: path, NeedsRole: needsRole[name]}
			if operation, ok := a.features.schema.Operations[name]; ok {
				described.Operation = &operation
			}
			routes = append(routes, described)
		}
		return nil
	})
	return routes
}

// roleNeeded returns the routes that need a role, by method and path.
func roleNeeded(routes []Route) map[string]bool {
	needed := map[string]bool{}
	for _, route := range routes {
		for _, method := range route.Methods {
			needed[method+" "+route.Path] = route.Access.needsRole
		}
	}
	return needed
}
