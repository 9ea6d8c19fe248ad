package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// starvation is a server, and requests of one user that wait for a lock.
type starvation struct {
	*tokenTest
	waiting sync.WaitGroup

	mu       sync.Mutex
	statuses map[string]int // of the requests that waited, by status and code
}

func newStarvation(t *testing.T) (s *starvation, databaseURL string) {
	t.Helper()
	ctx := testContext(t)
	databaseURL = pgtest.NewDatabase(t)
	n := newNode(databaseURL, requireTokens, func(c *server.Config) { c.Tokens.WriteRole, c.Tokens.PublishRole = "nurse", "nurse" })
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	return &starvation{tokenTest: &tokenTest{T: t, ctx: ctx, first: n}, statuses: make(map[string]int)}, databaseURL
}

// flood sends n requests as a user at the same time. It does not wait for their responses.
func (s *starvation) flood(n int, method, path, body, user string) {
	token := newToken(s, user, inAnHour(), "nurse")
	for range n {
		s.waiting.Go(func() {
			status, decoded := s.call(s.first, method, path, body, token)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.statuses[fmt.Sprintf("%d %v", status, decoded["code"])]++
		})
	}
}

// awaitLocked waits until as many sessions of the server as a user may have wait for a lock.
func (s *starvation) awaitLocked(databaseURL string) {
	s.Helper()
	conn := pgtest.Connect(s.T, databaseURL)
	waitFor(s.ctx, s.T, "two requests to wait for the lock", func() bool {
		var n int
		const sql = `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
		if err := conn.QueryRow(s.ctx, sql).Scan(&n); err != nil || n > 2 {
			s.Fatalf("%d requests of one user are in the database, %v", n, err)
		}
		return n == 2
	})
}

// TestSlowListsLeaveRoom has one user send lists that do not end. Others' lists, writes and tickets go on.
func TestSlowListsLeaveRoom(t *testing.T) {
	t.Parallel()
	s, databaseURL := newStarvation(t)
	bob := newToken(t, "bob", inAnHour(), "nurse")
	blocker := pgtest.Begin(t, databaseURL)
	if _, err := blocker.Exec(t.Context(), `lock table public.activity_updates in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	s.flood(8, "GET", "/api/activities?q=a&q=b", "", "alice")
	s.awaitLocked(databaseURL)
	s.expect(200, s.first, "GET", "/api/presence", "", bob)
	s.expect(201, s.first, "POST", "/api/tickets", "", bob)
	s.expect(201, s.first, "POST", "/api/events", `{"type":"call","data":1}`, bob)
	s.expect(201, s.first, "POST", "/api/tickets", "", newToken(t, "alice", inAnHour(), "nurse"))
	s.waiting.Wait()
	pgtest.Rollback(t, blocker)
	if s.statuses["503 <nil>"] != 2 || s.statuses["429 limit_requests_user"] != 6 {
		t.Errorf("the lists ended with %v, want two 503 after their timeout and six 429", s.statuses)
	}
	s.expect(200, s.first, "GET", "/api/activities", "", newToken(t, "alice", inAnHour(), "nurse"))
}

// TestSlowWritesLeaveRoom does the same with writes.
func TestSlowWritesLeaveRoom(t *testing.T) {
	t.Parallel()
	s, databaseURL := newStarvation(t)
	bob := newToken(t, "bob", inAnHour(), "nurse")
	_, created := s.call(s.first, "POST", "/api/activities", activity, bob)
	one := "/api/activities/" + created["id"].(string)
	blocker := pgtest.Begin(t, databaseURL)
	if _, err := blocker.Exec(t.Context(), `select from public.activities for update`); err != nil {
		t.Fatal(err)
	}
	s.flood(8, "PUT", one, `{"status":"closed"}`, "alice")
	s.awaitLocked(databaseURL)
	s.expect(201, s.first, "POST", "/api/activities", activity, bob)
	s.expect(200, s.first, "GET", one, "", bob)
	s.expect(200, s.first, "GET", "/api/activities", "", newToken(t, "alice", inAnHour(), "nurse"))
	s.expect(201, s.first, "POST", "/api/tickets", "", bob)
	s.waiting.Wait()
	pgtest.Rollback(t, blocker)
	if s.statuses["503 <nil>"] != 2 || s.statuses["429 limit_requests_user"] != 6 {
		t.Errorf("the writes ended with %v, want two 503 after their timeout and six 429", s.statuses)
	}
}

// TestListsWithVeryManyValues sends what made a list take minutes.
func TestListsWithVeryManyValues(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t))
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	for name, c := range map[string]struct {
		query  string
		status int
	}{
		"ten texts":       {strings.Repeat("q=a&", 10), http.StatusOK},
		"eleven texts":    {strings.Repeat("q=a&", 11), http.StatusBadRequest},
		"thousands":       {strings.Repeat("q=a&", 5000), http.StatusBadRequest},
		"100 of a field":  {strings.Repeat("status=a&", 100), http.StatusOK},
		"101 of a field":  {strings.Repeat("status=a&", 101), http.StatusBadRequest},
		"201 of 3 fields": {strings.Repeat("status=a&category=b&location=c&", 67), http.StatusBadRequest},
	} {
		if got := send(ctx, t, n.at("/api/activities?limit=1&"+strings.TrimSuffix(c.query, "&"))).StatusCode; got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
}
