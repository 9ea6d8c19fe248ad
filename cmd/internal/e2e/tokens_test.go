package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestTokens has one user at two servers. A ticket of the first opens a stream at the second. A renewal
// through the first lets the stream outlive its token, and the stream receives what the user's role permits.
func TestTokens(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.NewDatabase(t)
	configure := func(c *server.Config) {
		requireTokens(c)
		c.Tokens.Leeway, c.Tuning.Heartbeat = 0, 100*time.Millisecond
		c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.OperatorRole = "nurse", "nurse", "operator"
	}
	first, second := newNode(databaseURL, configure), newNode(databaseURL, configure)
	defer first.end(t)
	defer second.end(t)
	startNodes(ctx, t, first, second)
	client := newHTTPClient(t)
	call := func(n *node, method, path, body, token string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, n.at(path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		var answer map[string]any
		if err != nil || json.Unmarshal(raw, &answer) != nil {
			t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, raw, err)
		}
		return response.StatusCode, answer
	}
	want := func(status int, n *node, method, path, body, token string) map[string]any {
		t.Helper()
		got, answer := call(n, method, path, body, token)
		if got != status {
			t.Fatalf("%s %s: %d %v, want %d", method, path, got, answer, status)
		}
		return answer
	}
	want(401, first, "GET", "/api/activities", "", "")
	want(401, first, "POST", "/api/tickets", "", "")
	want(403, first, "GET", "/api/stats", "", newToken(t, "alice", inAnHour(), "nurse"))
	want(200, first, "GET", "/api/stats", "", newToken(t, "alice", inAnHour(), "operator"))
	want(403, first, "POST", "/api/events", `{"type":"call","data":1}`, newToken(t, "alice", inAnHour(), "guest"))

	// The renewal must happen before the first token expires, so little happens in between.
	end := time.Now().Truncate(time.Second).Add(4 * time.Second)
	short, long := newToken(t, "alice", end, "nurse"), newToken(t, "alice", end.Add(time.Hour), "nurse")
	ticket := want(201, first, "POST", "/api/tickets", "", short)["ticket"]

	r, _ := http.NewRequestWithContext(ctx, "GET", second.at(fmt.Sprintf("/api/events?types=call&ticket=%s", ticket)), nil)
	response, err := client.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	defer response.Body.Close()
	in := bufio.NewScanner(response.Body)
	next := func(kind string) (event struct {
		Type string
		Data json.RawMessage
	}) {
		t.Helper()
		for in.Scan() {
			text, ok := strings.CutPrefix(in.Text(), "data: ")
			if ok && json.Unmarshal([]byte(text), &event) == nil && event.Type == kind {
				return event
			}
			if ok && event.Type == "sync" {
				t.Fatalf("received %s, want %s", text, kind)
			}
		}
		t.Fatalf("the stream ended before %s: %v", kind, in.Err())
		return event
	}
	var sync struct {
		Connection string
		Expires    int64
	}
	if err := json.Unmarshal(next("sync").Data, &sync); err != nil || sync.Expires != end.UnixMilli() {
		t.Fatalf("sync %+v, %v", sync, err)
	}
	if got := want(200, first, "POST", "/api/events/"+sync.Connection+"/token", "", long)["expires"]; got != float64(end.Add(time.Hour).UnixMilli()) {
		t.Errorf("the lease ends at %v", got)
	}
	want(401, second, "GET", "/api/events?ticket="+ticket.(string), "", "")
	for time.Now().Before(end.Add(500 * time.Millisecond)) {
		next("heartbeat")
	}
	want(201, first, "POST", "/api/events", `{"type":"call","data":"for doctors","audience":["role:doctor"]}`, long)
	want(201, first, "POST", "/api/events", `{"type":"call","data":"for nurses","audience":["role:nurse"]}`, long)
	if got := string(next("call").Data); got != `"for nurses"` {
		t.Errorf("received %s, want the event for nurses", got)
	}
	want(201, first, "POST", "/api/activities", activity, long)
	conn := pgtest.Connect(t, databaseURL)
	var left int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.tickets`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tickets are left, %v; want 0", left, err)
	}
	for _, n := range []*node{first, second} {
		for _, token := range []string{short, long, ticket.(string)} {
			if log := n.log.String(); strings.Contains(log, token) || strings.Contains(log, tokenSecret) {
				t.Error("the log contains a secret")
			}
		}
	}
}
