package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/auth"
)

// newForwardServer returns a server that asks the application, which answers with the user whose name is the cookie. The
// answers end at the given time, in Unix seconds.
func newForwardServer(t *testing.T, exp *atomic.Int64) (*streamServer, *httptest.Server) {
	t.Helper()
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		user, hasSession := strings.CutPrefix(r.Header.Get("Cookie"), "session=")
		if !hasSession {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"login":"/login"}`)
			return
		}
		fmt.Fprintf(w, `{"sub":%q,"exp":%d}`, user, exp.Load())
	}))
	t.Cleanup(application.Close)
	forward, err := auth.NewForward(auth.ForwardOptions{URL: application.URL})
	if err != nil {
		t.Fatal(err)
	}
	return newStreamServer(t, withTokens(forward)), application
}

// An application says whose session a stream has, and for how long. The stream's client renews it with its cookie, which
// asks the application anew, and the stream outlives the application.
func TestApplicationSessions(t *testing.T) {
	exp := new(atomic.Int64)
	exp.Store(time.Now().Add(30 * time.Minute).Unix())
	s, application := newForwardServer(t, exp)
	alice := []string{"Cookie", "session=alice", "Sec-Fetch-Site", "same-origin"}
	response, body := s.request(http.MethodGet, "/api/events", "Cookie", "theme=dark")
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":"session_required"`) || !strings.Contains(body, `"application":{"login":"/login"}`) ||
		response.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without a session: %s %s", response.Status, body)
	}
	response, body = s.request(http.MethodGet, "/api/events", "Cookie", "session=alice", "Sec-Fetch-Site", "cross-site")
	if response.StatusCode != http.StatusForbidden || !strings.Contains(body, `"code":"origin"`) {
		t.Errorf("from another page: %s %s", response.Status, body)
	}
	l := s.openSynced("", alice...)
	if want := fmt.Sprintf(`"expires":%d`, 1000*exp.Load()); !strings.Contains(l.received.String(), want) {
		t.Errorf("first event %s, want %s", l.received.String(), want)
	}
	exp.Add(60)
	if got := s.renew(http.StatusOK, "", l.connection(), alice...); got != 1000*exp.Load() {
		t.Errorf("renewed until %d, want %d", got, 1000*exp.Load())
	}
	s.renew(http.StatusConflict, "other_rights", l.connection(), "Cookie", "session=bob", "Sec-Fetch-Site", "same-origin")
	application.Close()
	if response, body = s.request(http.MethodGet, "/api/stats", "Cookie", "session=carol"); response.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(body, `"code":"auth_unavailable"`) || response.Header.Get("Retry-After") == "" {
		t.Errorf("without the application: %s %s", response.Status, body)
	}
	s.commit("still")
	l.readUntil("still")
}

// A stream ends with the session.
func TestStreamEndsWithItsSession(t *testing.T) {
	exp := new(atomic.Int64)
	s, _ := newForwardServer(t, exp)
	for exp.Store(time.Now().Add(2 * time.Second).Unix()); ; exp.Add(10) {
		l := s.open("", "Cookie", fmt.Sprintf("session=a%d", exp.Load()))
		if l.readToEnd(); strings.Contains(l.received.String(), `{"mode":"expired"}`) {
			return
		}
		if time.Now().Unix() < exp.Load() {
			t.Fatalf("received %s before the end of the session", l.received.String())
		}
	}
}
