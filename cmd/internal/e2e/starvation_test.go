package e2e

import (
	"fmt"
	"net/http"
	"slices"
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
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	return &starvation{tokenTest: &tokenTest{T: t, ctx: ctx, first: n}, statuses: make(map[string]int)}, databaseURL
}

// userRequests is how many requests of one kind a user may have in progress.
const userRequests = 2

// flood sends requests as a user that wait for a lock, as many as may, and six more, which must be refused. It does not wait for the
// end of those that wait. If the machine was so slow that one of those has ended before, as all do after a while, it begins again: twice,
// since requests beyond a limit that does not hold wait as long.
func (s *starvation) flood(databaseURL, method, path, body, user string) {
	s.Helper()
	conn := pgtest.Connect(s.T, databaseURL)
	token := newToken(s, user, inAnHour(), "nurse")
	refused := make([]string, 6)
	for range 3 {
		ended := newCounter()
		s.statuses = make(map[string]int)
		for range userRequests {
			s.waiting.Go(func() { defer ended.add(); s.count(s.call(s.first, method, path, body, token)) })
		}
		pgtest.AwaitLockWait(s, conn, pgtest.LockWait{Sessions: userRequests, HasEnded: func() bool { return ended.value() > 0 }})
		var refusing sync.WaitGroup
		for i := range refused {
			refusing.Go(func() { refused[i] = answerOf(s.call(s.first, method, path, body, token)) })
		}
		refusing.Wait()
		if ended.value() == 0 {
			if !slices.Equal(refused, slices.Repeat([]string{"429 limit_requests_user"}, 6)) {
				s.Errorf("the requests beyond the limit ended with %q, want 429", refused)
			}
			return
		}
		s.Logf("too slow for the time-out of requests: %q", refused)
		s.waiting.Wait()
	}
	s.Fatalf("the requests beyond the limit ended with %q, after those that waited for the lock", refused)
}

// count counts an answer.
func (s *starvation) count(status int, decoded map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses[answerOf(status, decoded)]++
}

func answerOf(status int, decoded map[string]any) string {
	return fmt.Sprintf("%d %v", status, decoded["code"])
}

// checkWaited waits until the requests that waited for the lock have ended, and checks that they did so by their time-out.
func (s *starvation) checkWaited() {
	s.Helper()
	s.waiting.Wait()
	if len(s.statuses) != 1 || s.statuses["503 <nil>"] != userRequests {
		s.Errorf("the requests ended with %v, want two 503 after their time-out", s.statuses)
	}
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
	s.flood(databaseURL, "GET", "/api/activities?q=a&q=b", "", "alice")
	s.expect(200, s.first, "GET", "/api/presence", "", bob)
	s.expect(201, s.first, "POST", "/api/tickets", "", bob)
	s.expect(201, s.first, "POST", "/api/events", `{"type":"call","data":1}`, bob)
	s.expect(201, s.first, "POST", "/api/tickets", "", newToken(t, "alice", inAnHour(), "nurse"))
	s.checkWaited()
	pgtest.Rollback(t, blocker)
	s.expect(200, s.first, "GET", "/api/activities", "", newToken(t, "alice", inAnHour(), "nurse"))
}

// TestSlowWritesLeaveRoom does the same with writes.
func TestSlowWritesLeaveRoom(t *testing.T) {
	t.Parallel()
	s, databaseURL := newStarvation(t)
	bob := newToken(t, "bob", inAnHour(), "nurse")
	_, created := s.settled(s.first, "POST", "/api/activities", activity, bob)
	one := "/api/activities/" + created["id"].(string)
	blocker := pgtest.Begin(t, databaseURL)
	if _, err := blocker.Exec(t.Context(), `select from public.activities for update`); err != nil {
		t.Fatal(err)
	}
	s.flood(databaseURL, "PUT", one, `{"status":"closed"}`, "alice")
	s.expect(201, s.first, "POST", "/api/activities", activity, bob)
	s.expect(200, s.first, "GET", one, "", bob)
	s.expect(200, s.first, "GET", "/api/activities", "", newToken(t, "alice", inAnHour(), "nurse"))
	s.expect(201, s.first, "POST", "/api/tickets", "", bob)
	s.checkWaited()
	pgtest.Rollback(t, blocker)
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
		if got := ask(ctx, t, n.at("/api/activities?limit=1&"+strings.TrimSuffix(c.query, "&"))).StatusCode; got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
}
