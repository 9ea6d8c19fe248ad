package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
	"github.com/rs/cors"
)

// guard decides what pages of other origins may do: read everything, as the seed promises, and
// change nothing. Requests that are not a browser's are not concerned.
func guard(next http.Handler) http.Handler {
	read := cors.New(cors.Options{
		AllowedOrigins: []string{"*"},
		AllowedMethods: []string{http.MethodGet, http.MethodHead},
		AllowedHeaders: []string{"Last-Event-ID", "Cache-Control"},
		ExposedHeaders: []string{cursorHeader},
	})
	write := http.NewCrossOriginProtection()
	write.SetDenyHandler(problemHandler(http.StatusForbidden, "pages of another origin may read here and change nothing"))
	return read.Handler(write.Handler(next))
}

// problemHandler answers every request with the same problem.
func problemHandler(status int, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, &Problem{Status: status, Detail: detail})
	})
}

// methodNotAllowed names the methods that the path does have.
func methodNotAllowed(router *mux.Router) http.Handler {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
			probe := r.Clone(r.Context())
			probe.Method = method
			var match mux.RouteMatch
			return !router.Match(probe, &match) || match.MatchErr != nil
		})
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, r, &Problem{
			Status: http.StatusMethodNotAllowed,
			Detail: r.Method + " does nothing here: use " + strings.Join(allowed, ", "),
		})
	})
}
