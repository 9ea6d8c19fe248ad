package e2e

import (
	"bufio"
	"context"
	"encoding/json"
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
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	configure := func(c *server.Config) {
		requireTokens(c)
		c.Tokens.Leeway, c.Tuning.Heartbeat = 0, 100*time.Millisecond
		c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.OperatorRole = "nurse", "nurse", "operator"
	}
	tt := &tokenTest{T: t, ctx: ctx, first: newNode(databaseURL, configure), second: newNode(databaseURL, configure)}
	defer tt.first.end(t)
	defer tt.second.end(t)
	startNodes(ctx, t, tt.first, tt.second)
	conn := pgtest.Connect(t, databaseURL)
	tt.expect(401, tt.first, "GET", "/api/activities", "", "")
	tt.expect(401, tt.first, "POST", "/api/tickets", "", "")
	tt.expect(403, tt.first, "GET", "/api/stats", "", newToken(t, "alice", inAnHour(), "nurse"))
	tt.expect(200, tt.first, "GET", "/api/stats", "", newToken(t, "alice", inAnHour(), "operator"))
	tt.expect(403, tt.first, "POST", "/api/events", `{"type":"call","data":1}`, newToken(t, "alice", inAnHour(), "guest"))

	var s *renewedStream
	for lifetime := 3 * time.Second; s == nil; lifetime *= 2 {
		pgtest.Exec(t, conn, `delete from pgherald.tickets`) // of an attempt that was too late
		s = tt.renew(lifetime)
	}
	tt.expect(401, tt.second, "GET", "/api/events?ticket="+s.ticket, "", "")
	for s.at.Before(s.expires.Add(100 * time.Millisecond)) {
		s.next("heartbeat")
	}
	tt.expect(401, tt.first, "GET", "/api/activities", "", s.short)

	tt.expect(201, tt.first, "POST", "/api/events", `{"type":"call","data":"for doctors","audience":["role:doctor"]}`, s.long)
	tt.expect(201, tt.first, "POST", "/api/events", `{"type":"call","data":"for nurses","audience":["role:nurse"]}`, s.long)
	if got := string(s.next("call")); got != `"for nurses"` {
		t.Errorf("received %s, want the event for nurses", got)
	}
	tt.expect(201, tt.first, "POST", "/api/activities", activity, s.long)
	var left int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.tickets`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tickets are left, %v; want 0", left, err)
	}
	for _, n := range []*node{tt.first, tt.second} {
		for _, token := range []string{s.short, s.long, s.ticket} {
			if log := n.log.String(); strings.Contains(log, token) || strings.Contains(log, tokenSecret) {
				t.Error("the log contains a secret")
			}
		}
	}
}

// tokenTest is two servers that require tokens.
type tokenTest struct {
	*testing.T
	ctx           context.Context
	first, second *node
}

// call sends a request and returns the status and the decoded body.
func (tt *tokenTest) call(n *node, method, path, body, token string) (int, map[string]any) {
	tt.Helper()
	r, err := http.NewRequestWithContext(tt.ctx, method, n.at(path), strings.NewReader(body))
	if err != nil {
		tt.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := newHTTPClient(tt.T).Do(r)
	if err != nil {
		tt.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	var decoded map[string]any
	if err != nil || json.Unmarshal(raw, &decoded) != nil {
		tt.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, raw, err)
	}
	return response.StatusCode, decoded
}

// settled sends a request until the answer is not "come again".
func (tt *tokenTest) settled(n *node, method, path, body, token string) (status int, decoded map[string]any) {
	tt.Helper()
	waitFor(tt.ctx, tt.T, "another answer than 503 to "+method+" "+path, func() bool {
		status, decoded = tt.call(n, method, path, body, token)
		return !notYet(status)
	})
	return status, decoded
}

// expect sends a request and checks the status.
func (tt *tokenTest) expect(status int, n *node, method, path, body, token string) {
	tt.Helper()
	if got, decoded := tt.settled(n, method, path, body, token); got != status {
		tt.Fatalf("%s %s: %d %v, want %d", method, path, got, decoded, status)
	}
}

// renewedStream is a stream at the second server that a ticket opened and that the first server renewed.
type renewedStream struct {
	*testing.T
	lines       *bufio.Scanner
	expires     time.Time // of the first token
	short, long string    // the tokens before and after the renewal
	ticket      string
	at          time.Time // timestamp of the last event
}

// renew opens a stream with a token of a lifetime and renews it. It returns nil if the token expired first, or if the server was
// busy: the caller must try a longer lifetime.
func (tt *tokenTest) renew(lifetime time.Duration) *renewedStream {
	tt.Helper()
	expires := time.Now().Truncate(time.Second).Add(lifetime)
	s := &renewedStream{
		T: tt.T, expires: expires,
		short: newToken(tt, "alice", expires, "nurse"), long: newToken(tt, "alice", expires.Add(time.Hour), "nurse"),
	}
	tooLate := func(step string, status int, problem ...any) *renewedStream {
		tt.Helper()
		if time.Now().Before(expires) && !notYet(status) {
			tt.Fatal(step, status, problem)
		}
		tt.Logf("too late for a token of %v: %s: %d %v", lifetime, step, status, problem)
		return nil
	}
	status, decoded := tt.call(tt.first, "POST", "/api/tickets", "", s.short)
	if status != http.StatusCreated {
		return tooLate("ticket:", status, decoded)
	}
	s.ticket = decoded["ticket"].(string)
	response := send(tt.ctx, tt, tt.second.at("/api/events?types=call&unknown=allow&ticket="+s.ticket))
	if response.StatusCode != http.StatusOK {
		return tooLate("stream:", response.StatusCode)
	}
	s.lines = bufio.NewScanner(response.Body)
	var sync struct {
		Connection string
		Expires    int64
	}
	if err := json.Unmarshal(s.next("sync"), &sync); err != nil || sync.Expires != expires.UnixMilli() {
		tt.Fatalf("sync %+v, %v", sync, err)
	}
	status, decoded = tt.call(tt.first, "POST", "/api/events/"+sync.Connection+"/token", "", s.long)
	if status != http.StatusOK {
		return tooLate("renewal:", status, decoded)
	}
	if got := decoded["expires"]; got != float64(expires.Add(time.Hour).UnixMilli()) {
		tt.Errorf("the lease ends at %v", got)
	}
	return s
}

// next returns the data of the next event, which must be of a type. It skips events about the stream: it is stale for a moment if the
// machine has other work.
func (s *renewedStream) next(kind string) json.RawMessage {
	s.Helper()
	for s.lines.Scan() {
		text, ok := strings.CutPrefix(s.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct {
			Type      string
			Data      json.RawMessage
			Timestamp int64
		}
		if err := json.Unmarshal([]byte(text), &event); err != nil {
			s.Fatalf("event %s: %v", text, err)
		}
		if s.at = time.UnixMilli(event.Timestamp); event.Type == kind {
			return event.Data
		}
		if !aboutStream(text) {
			s.Fatalf("received %s, want %s", text, kind)
		}
	}
	s.Fatalf("the stream ended before %s: %v", kind, s.lines.Err())
	return nil
}
