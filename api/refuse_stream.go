package api

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/api/page"
	"github.com/pgherald/pgherald/api/problem"
)

// refuseStream answers a request with the problem of err. It is the one place that does so for requests for streams.
//
// A browser's EventSource reconnects after the end of a stream, but never after a status other than 200. So a client that
// continues a stream gets a problem that will pass as a stream that ends at once, with the time to wait as retry:. A client that
// accepts problem details gets those, and so does every first request: its program can tell a user what is wrong.
func refuseStream(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err)
	if !willPass(p) || !continuesStream(r) {
		problem.Write(w, r, err)
		return
	}
	seconds := max(1, p.RetrySeconds())
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("Retry-After", strconv.Itoa(seconds))
	// A comment, for people: its text is ours, and has no line break.
	body := fmt.Sprintf("retry: %d\n\n: %s %s\n\n", int64(seconds)*1000+rand.Int64N(passSpread.Milliseconds()), p.Code, p.Detail)
	h.Set("Content-Length", strconv.Itoa(len(body)))                                 // by which request.Bound knows that it is no stream to wait for
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(waitingWrite)) // a recorder has none
	_, _ = w.Write([]byte(body))                                                     // fails only if the client has gone
}

// passSpread spreads the clients that come again.
const passSpread = 3 * time.Second

// willPass reports whether the same request may succeed later.
func willPass(p *problem.Problem) bool {
	return p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests
}

// continuesStream reports whether a request is that of an EventSource that reconnects: it has the last id, unlike the first
// request, which may have the cursor of a list.
func continuesStream(r *http.Request) bool {
	if r.Method != http.MethodGet || r.URL.Path != "/api/events" || !hasLastID(r.Header, r.URL.Query()) {
		return false
	}
	accept := r.Header.Values("Accept")
	if page.Accepts(accept) {
		return false
	}
	all := strings.ToLower(strings.Join(accept, ","))
	return strings.Contains(all, "text/event-stream") && !strings.Contains(all, "application/problem+json")
}

// hasLastID reports whether the client of a request reconnects: it has the id of what it received last.
func hasLastID(header http.Header, query url.Values) bool {
	return header.Get("Last-Event-ID") != "" || query.Get("lastEventId") != ""
}
