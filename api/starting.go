package api

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/page"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// Starting answers requests while a server waits for its database, before it can make an API.
//
// A stream is accepted: an EventSource that gets a 503 never returns. It begins with a sync event that says stale, carries
// no id and ends once the API exists. Then its client reconnects with the cursor that it had, and resumes. Clients are not
// identified, since nothing is sent to them; the limits on streams and requests apply.
type Starting struct {
	opts  StartingOptions
	since time.Time
	ended chan struct{}
	end   sync.Once
}

// StartingOptions configure a Starting. Reason and Admission are required.
type StartingOptions struct {
	// Reason returns why the server cannot serve yet. /readyz reports it.
	Reason func() error
	// Awaits names what the server waits for; "database" if empty.
	Awaits    string
	Admission *admission.Controller
	Origins   Origins
	Hosts     Hosts
	Logger    *slog.Logger
}

const (
	// waitingRepeat is the time between two sync events on a stream that waits for the API.
	waitingRepeat = 8 * time.Second
	// waitingWrite is the time within which its client must accept a write.
	waitingWrite = 10 * time.Second
)

// NewStarting returns a Starting whose streams go on until End.
func NewStarting(opts StartingOptions) *Starting {
	opts.Awaits = cmp.Or(opts.Awaits, "database")
	return &Starting{opts: opts, since: time.Now(), ended: make(chan struct{})}
}

// End ends the streams. Their clients reconnect within 1 to 4 s. Call it once the handler of the API serves.
func (s *Starting) End() { s.end.Do(func() { close(s.ended) }) }

// Handler returns the handler for all routes.
func (s *Starting) Handler() http.Handler {
	r := mux.NewRouter()
	read := []string{http.MethodGet, http.MethodHead}
	for _, path := range []string{"/healthz", "/livez"} {
		r.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			request.Respond(w, http.StatusOK, map[string]string{"status": "ok"})
		}).Methods(read...)
	}
	r.HandleFunc("/api/events", s.stream).Methods(read...).MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool { return isForStream(r) })
	r.PathPrefix("/readyz").HandlerFunc(s.notReady).Methods(read...)
	unavailable := &problem.Problem{Status: http.StatusServiceUnavailable, Code: "starting", RetryAfter: time.Second,
		Detail: "the server waits for its " + s.opts.Awaits + ": try again in a moment"}
	r.PathPrefix("/").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wantsPage(r) {
			writeStartingPage(w, r)
			return
		}
		w.Header().Set("Vary", "Accept")
		problem.Write(w, r, unavailable)
	})
	known := s.opts.Hosts.Allowed.Protect(s.opts.Origins.protect(r), s.opts.Logger)
	return withSecurityHeaders(request.Bound(known, s.admit, request.NewBodies(1<<20)))
}

// admit implements request.Admit. The handler of streams admits those itself.
func (s *Starting) admit(r *http.Request) (release func(), err error) {
	if r.URL.Path == "/api/events" && isForStream(r) {
		return nil, nil
	}
	return s.opts.Admission.AdmitRequest(r)
}

// isForStream reports whether a request to /api/events is for a stream, or for its headers.
func isForStream(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 && !page.Accepts(r.Header.Values("Accept"))
}

func (s *Starting) notReady(w http.ResponseWriter, _ *http.Request) {
	reason := s.opts.Reason()
	if reason == nil {
		reason = errors.New("connecting")
	}
	request.Respond(w, http.StatusServiceUnavailable, map[string]string{
		"status": "not ready", "reason": "waiting for the " + s.opts.Awaits + ": " + problem.Reason(reason),
	})
}

// stream holds a stream until End.
func (s *Starting) stream(w http.ResponseWriter, r *http.Request) {
	slot, err := s.opts.Admission.Admit(r)
	if err != nil {
		refuseStream(w, r, err)
		return
	}
	defer slot.ReleaseUnlessRetained()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Vary", "Accept")
	if r.Method == http.MethodHead {
		return
	}
	retry := fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(3000))
	repeat := time.NewTicker(waitingRepeat)
	defer repeat.Stop()
	for send(w, append(retry, s.stale()...)) == nil {
		retry = nil
		select {
		case <-repeat.C:
		case <-s.ended:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stale returns the sync event that says that the log was not read yet.
func (s *Starting) stale() []byte {
	return fmt.Appendf(nil, `data: {"type":"sync","data":{"mode":"stale","since":%q},"timestamp":%d}`+"\n\n",
		s.since.UTC().Format("2006-01-02T15:04:05.000Z"), time.Now().UnixMilli())
}

// send writes text at once.
func send(w http.ResponseWriter, text []byte) error {
	c := http.NewResponseController(w)
	if err := c.SetWriteDeadline(time.Now().Add(waitingWrite)); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return c.Flush()
}
