package server

import (
	"net/http"
	"strings"
	"time"
)

// startGrace is how long requests wait for a server that starts, before they are answered without its API. A start takes
// less than a second if the database is there, and then no client notices it.
const startGrace = 3 * time.Second

// handler passes requests to a handler for the time of the start, and to that of the API afterwards.
type handler struct {
	starting http.Handler
	held     <-chan struct{} // closed when requests no longer wait
	replaced chan struct{}   // closed once api is set
	api      http.Handler
}

func newHandler(starting http.Handler, held <-chan struct{}) *handler {
	return &handler{starting: starting, held: held, replaced: make(chan struct{})}
}

// replace makes the API's handler serve all requests. It may be called once.
func (h *handler) replace(api http.Handler) {
	h.api = api
	close(h.replaced)
}

// ServeHTTP passes the request on.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(responseTimeout)) // fails if the client has gone
	if !isHealth(r.URL.Path) {
		select {
		case <-h.replaced:
		case <-h.held:
		case <-r.Context().Done():
		}
	}
	select {
	case <-h.replaced:
		h.api.ServeHTTP(w, r)
	default:
		h.starting.ServeHTTP(w, r)
	}
}

// isHealth reports whether a balancer or a supervisor asks for the state of the server.
func isHealth(path string) bool {
	return path == "/healthz" || path == "/livez" || strings.HasPrefix(path, "/readyz")
}
