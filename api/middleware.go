package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

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
