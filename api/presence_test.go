package api_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/db/control"
)

// presenceCounter counts the open streams of each user.
type presenceCounter struct {
	mu     sync.Mutex
	open   map[string]int
	opened int
}

func (c *presenceCounter) Opened(user string) { c.add(user, 1) }

func (c *presenceCounter) Closed(user string) { c.add(user, -1) }

func (c *presenceCounter) add(user string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[string]int)
	}
	c.opened += max(n, 0)
	if c.open[user] += n; c.open[user] == 0 {
		delete(c.open, user)
	}
}

func TestPresenceTracksEveryStream(t *testing.T) {
	counter := &presenceCounter{}
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(api.Presence{Tracker: counter}) }})
	s.openSynced("?user=ann")
	s.openSynced("?user=ann")
	bob := s.openSynced("?user=bob")
	s.openSynced("")
	bob.disconnect()
	s.logs.await(t, 1, "stream closed", "user=bob")
	counter.mu.Lock()
	same(t, map[string]int{"ann": 2, "": 1}, counter.open)
	counter.mu.Unlock()
	s.shutDown()
	same(t, 4, counter.opened)
	same(t, map[string]int{}, counter.open)
}

func TestPresenceList(t *testing.T) {
	s := newServer(t)
	a := s.do(http.StatusOK, "GET", "/api/presence", "")
	same(t, `{"users":[],"cursor":"`+a.header.Get("Pgherald-Cursor")+"\"}\n", a.raw)
	queryOne[string](&s.database, `
		with joined as (
			insert into pgherald.presence (user_id, replica, since)
			values ('bob', 'r1', '2026-01-02T03:04:05.678Z'), ('ann', 'r2', '2026-01-02T03:04:06Z'), ('ann', 'r1', '2026-01-02T03:04:05Z')
			returning user_id
		)
		select max(user_id) from joined`)
	a = s.do(http.StatusOK, "GET", "/api/presence", "")
	same(t, `{"users":[{"userId":"ann","since":"2026-01-02T03:04:05.000Z"},{"userId":"bob","since":"2026-01-02T03:04:05.678Z"}],"cursor":"`+
		a.header.Get("Pgherald-Cursor")+"\"}\n", a.raw)
	s.do(http.StatusMethodNotAllowed, "POST", "/api/presence", `{}`)
}

func TestPresenceNeedsAnIdentity(t *testing.T) {
	s := newServer(t)
	a := newAPI(t, apiOptions{features: []api.Option{api.Presence{List: control.NewPresenceList(s.pool, snapshotCursor)}, api.Auth{Authenticator: fakeAuthenticator{"ann": auth.Identity{User: "ann"}}}}})
	for user, status := range map[string]int{"": http.StatusUnauthorized, "ann": http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, "/api/presence", nil)
		r.Header.Set("Test-User", user)
		got := httptest.NewRecorder()
		if a.Handler().ServeHTTP(got, r); got.Code != status {
			t.Errorf("%q: %d %s", user, got.Code, got.Body)
		}
	}
}
