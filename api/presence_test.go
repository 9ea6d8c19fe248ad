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

// guestBook notes who comes and goes.
type presenceCounter struct {
	mu   sync.Mutex
	here map[string]int
	all  int
}

func (g *presenceCounter) Opened(user string) { g.add(user, 1) }

func (g *presenceCounter) Closed(user string) { g.add(user, -1) }

func (g *presenceCounter) add(user string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.here == nil {
		g.here = make(map[string]int)
	}
	g.all += max(n, 0)
	if g.here[user] += n; g.here[user] == 0 {
		delete(g.here, user)
	}
}

func TestPresenceIsToldOfEveryStream(t *testing.T) {
	book := &presenceCounter{}
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(api.Presence{Tracker: book}) }})
	s.openSynced("?user=ann")
	s.openSynced("?user=ann")
	gone := s.openSynced("?user=bob")
	s.openSynced("")
	gone.disconnect()
	s.logs.await(t, 1, "stream closed", "user=bob")
	book.mu.Lock()
	same(t, map[string]int{"ann": 2, "": 1}, book.here)
	book.mu.Unlock()
	s.shutDown()
	same(t, 4, book.all)
	same(t, map[string]int{}, book.here)
}

func TestPresenceList(t *testing.T) {
	s := newServer(t)
	a := s.do(http.StatusOK, "GET", "/api/presence", "")
	same(t, `{"users":[],"cursor":"`+a.header.Get("Pgherald-Cursor")+"\"}\n", a.raw)
	queryOne[string](&s.database, `
		with come as (
			insert into pgherald.presence (user_id, replica, since)
			values ('bob', 'r1', '2026-01-02T03:04:05.678Z'), ('ann', 'r2', '2026-01-02T03:04:06Z'), ('ann', 'r1', '2026-01-02T03:04:05Z')
			returning user_id
		)
		select max(user_id) from come`)
	a = s.do(http.StatusOK, "GET", "/api/presence", "")
	same(t, `{"users":[{"userId":"ann","since":"2026-01-02T03:04:05.000Z"},{"userId":"bob","since":"2026-01-02T03:04:05.678Z"}],"cursor":"`+
		a.header.Get("Pgherald-Cursor")+"\"}\n", a.raw)
	s.do(http.StatusMethodNotAllowed, "POST", "/api/presence", `{}`)
}

func TestPresenceIsForThoseWhoAreKnown(t *testing.T) {
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
