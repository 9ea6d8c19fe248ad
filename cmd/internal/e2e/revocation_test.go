package e2e

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestRevocation revokes one user's tokens through the first of two servers, and another's in SQL. Their streams at
// the second one end, and no server accepts the tokens, also after a restart.
func TestRevocation(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	configure := func(c *server.Config) {
		requireTokens(c)
		c.Tokens.OperatorRole = "operator"
	}
	tt := &tokenTest{T: t, ctx: ctx, first: newNode(databaseURL, configure), second: newNode(databaseURL, configure)}
	defer tt.first.end(t)
	defer tt.second.end(t)
	startNodes(ctx, t, tt.first, tt.second)
	alice, bob, carol := newToken(t, "alice", inAnHour()), newToken(t, "bob", inAnHour()), newToken(t, "carol", inAnHour())
	ends := []<-chan string{tt.follow(alice), tt.follow(bob)}
	kept := tt.follow(carol)

	began := time.Now()
	if status, header := tt.revoke(newToken(t, "root", inAnHour(), "operator"), `{"user":"alice"}`); status != http.StatusNoContent {
		t.Fatalf("revoke: %d %v", status, header)
	}
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `select pgherald.revoke(user_id => 'bob')`)
	for i, end := range ends {
		if last := <-end; !strings.Contains(last, `{"mode":"expired"}`) {
			t.Errorf("stream %d ended with %s", i, last)
		}
	}
	t.Logf("both streams ended %v after the revocations", time.Since(began).Round(time.Millisecond))
	third := newNode(databaseURL, configure)
	defer third.end(t)
	startNodes(ctx, t, third)
	for _, n := range []*node{tt.first, tt.second, third} {
		for _, token := range []string{alice, bob} {
			waitFor(ctx, t, "the revocation at every server", func() bool { // the notification may still be on its way
				status, _ := tt.settled(n, "GET", "/api/activities", "", token)
				return status == http.StatusUnauthorized
			})
		}
		tt.expect(200, n, "GET", "/api/activities", "", carol)
	}
	select {
	case last := <-kept:
		t.Errorf("the stream of a user who was not revoked ended with %s", last)
	default:
	}
}

// follow opens a stream at the second server. The channel receives the last event once the stream has ended.
func (tt *tokenTest) follow(token string) <-chan string {
	tt.Helper()
	response := ask(tt.ctx, tt.T, tt.second.at("/api/events?types=none&unknown=allow"), "Authorization", "Bearer "+token)
	if response.StatusCode != http.StatusOK {
		tt.Fatalf("open a stream: %v", response)
	}
	end := make(chan string, 1)
	go func() {
		defer response.Body.Close()
		last := ""
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				last = data
			}
		}
		end <- last
	}()
	return end
}

// revoke requests a revocation at the first server.
func (tt *tokenTest) revoke(token, body string) (int, http.Header) {
	tt.Helper()
	response := askWith(tt.ctx, tt.T, func() *http.Request {
		r, err := http.NewRequestWithContext(tt.ctx, http.MethodPost, tt.first.at("/api/revocations"), strings.NewReader(body))
		if err != nil {
			tt.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	})
	return response.StatusCode, response.Header
}
