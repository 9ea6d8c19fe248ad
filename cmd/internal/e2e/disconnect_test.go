package e2e

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestDisconnectOnTwoServers ends a user's streams at the second of two servers through the first one, which counts them.
func TestDisconnectOnTwoServers(t *testing.T) {
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
	root, alice := newToken(t, "root", inAnHour(), "operator"), newToken(t, "alice", inAnHour())
	waitFor(ctx, t, "both servers", func() bool {
		_, operations := tt.settled(tt.first, "GET", "/api/operations", "", root)
		servers, _ := operations["replicas"].([]any)
		return len(servers) == 2
	})
	waitFor(ctx, t, "a complete answer", func() bool { // it counts the servers that answer within a second
		ends := []<-chan string{tt.follow(alice), tt.follow(alice)}
		status, answer := tt.call(tt.first, "POST", "/api/disconnect", `{"user":"alice"}`, root)
		isCounted := !notYet(status)
		for !isCounted && answer["complete"] != true { // the streams may have ended or not: end them, and count others
			status, answer = tt.settled(tt.first, "POST", "/api/disconnect", `{"user":"alice"}`, root)
		}
		for _, end := range ends {
			if last := <-end; !strings.Contains(last, `{"mode":"expired"}`) {
				t.Errorf("a stream ended with %s", last)
			}
		}
		if status != 200 || isCounted && answer["complete"] == true && (answer["streams"] != 2.0 || answer["servers"] != 2.0) {
			t.Fatalf("%d %v, want 2 streams at 2 servers", status, answer)
		}
		return isCounted && answer["complete"] == true
	})
	tt.expect(200, tt.first, "GET", "/api/activities", "", alice)
}
