package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/problem"
)

// A client waits for the whole time, of which the header has whole seconds.
func TestRetryAfterOfARefusedStreamIsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Second: "1", 1001 * time.Millisecond: "2"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/events", nil)
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Last-Event-ID", "k3f9-5")
		w := httptest.NewRecorder()
		refuseStream(w, r, &problem.Problem{Status: http.StatusServiceUnavailable, Code: "limit_total", RetryAfter: wait})
		if got := w.Header(); w.Code != http.StatusOK || got.Get("Retry-After") != want {
			t.Errorf("%v: status %d, Retry-After %s, want %s", wait, w.Code, got.Get("Retry-After"), want)
		}
	}
}
