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

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

const e2eSecret = "a secret that only this test has"

// withTokens makes a server accept the tokens that signed returns.
func withTokens(c *server.Config) {
	c.Tokens.Auth, c.Tokens.Secret = "jwt", e2eSecret
	c.Tokens.Issuer, c.Tokens.Audience = "e2e", "pgherald"
}

// signed is a token of alice with these roles that ends at the given time.
func signed(t *testing.T, end time.Time, roles ...string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "e2e", "aud": "pgherald", "sub": "alice", "roles": roles, "exp": end.Unix(),
	}).SignedString([]byte(e2eSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tokenTest is two servers that accept the tokens of signed, and a client.
type tokenTest struct {
	*testing.T
	ctx           context.Context
	client        *http.Client
	first, second *node
}

// ask sends a request and returns the status and the decoded body.
func (tt *tokenTest) ask(n *node, method, path, body, token string) (int, map[string]any) {
	tt.Helper()
	r, err := http.NewRequestWithContext(tt.ctx, method, n.at(path), strings.NewReader(body))
	if err != nil {
		tt.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := tt.client.Do(r)
	if err != nil {
		tt.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	var answer map[string]any
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		tt.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, raw, err)
	}
	return response.StatusCode, answer
}

// want is ask with an expected status.
func (tt *tokenTest) want(status int, n *node, method, path, body, token string) map[string]any {
	tt.Helper()
	got, answer := tt.ask(n, method, path, body, token)
	if got != status {
		tt.Fatalf("%s %s: %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

// renewedStream is a stream that a ticket opened at the second server and the first one renewed.
type renewedStream struct {
	*testing.T
	lines       *bufio.Scanner
	end         time.Time // of the token that it began with
	short, long string    // the tokens before and after the renewal
	ticket      string
	at          time.Time // timestamp of the last event
}

// renew opens a stream with a token that lives so long, and renews it. It returns nil if the token ended
// before that: a slow machine needs one that lives longer.
func (tt *tokenTest) renew(lifetime time.Duration) *renewedStream {
	tt.Helper()
	end := time.Now().Truncate(time.Second).Add(lifetime)
	s := &renewedStream{T: tt.T, end: end, short: signed(tt.T, end, "nurse"), long: signed(tt.T, end.Add(time.Hour), "nurse")}
	late := func(problem ...any) *renewedStream {
		tt.Helper()
		if time.Now().Before(end) {
			tt.Fatal(problem...)
		}
		tt.Logf("too late for a token of %v: %v", lifetime, problem)
		return nil
	}
	status, answer := tt.ask(tt.first, "POST", "/api/tickets", "", s.short)
	if status != http.StatusCreated {
		return late("ticket:", status, answer)
	}
	s.ticket = answer["ticket"].(string)
	r, _ := http.NewRequestWithContext(tt.ctx, "GET", tt.second.at("/api/events?types=call&ticket="+s.ticket), nil)
	response, err := tt.client.Do(r)
	if err != nil {
		tt.Fatal(err)
	}
	tt.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		return late("stream:", response.Status)
	}
	s.lines = bufio.NewScanner(response.Body)
	var sync struct {
		Connection string
		Expires    int64
	}
	if err := json.Unmarshal(s.next("sync"), &sync); err != nil || sync.Expires != end.UnixMilli() {
		tt.Fatalf("sync %+v, %v", sync, err)
	}
	status, answer = tt.ask(tt.first, "POST", "/api/events/"+sync.Connection+"/token", "", s.long)
	if status != http.StatusOK {
		return late("renewal:", status, answer)
	}
	if got := answer["expires"]; got != float64(end.Add(time.Hour).UnixMilli()) {
		tt.Errorf("renewed until %v", got)
	}
	return s
}

// next returns the data of the next event, which must be of this type. It skips heartbeats.
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
		if event.Type != "heartbeat" {
			s.Fatalf("wanted %s, got %s", kind, text)
		}
	}
	s.Fatalf("the stream ended before %s: %v", kind, s.lines.Err())
	return nil
}

// TestTokensEndToEnd: two servers as they are started, one user. A ticket of the one opens a stream
// at the other, which is then renewed through the first, hears what its role may hear, and outlives
// the token that it began with.
func TestTokensEndToEnd(t *testing.T) {
	ctx := testContext(t)
	databaseURL := pgtest.NewDatabase(t)
	configure := func(c *server.Config) {
		withTokens(c)
		c.Tokens.Leeway, c.Tuning.Heartbeat = 0, 100*time.Millisecond
		c.Tokens.WriteRole, c.Tokens.PublishRole, c.Tokens.OperatorRole = "nurse", "nurse", "operator"
	}
	tt := &tokenTest{T: t, ctx: ctx, client: newHTTPClient(t), first: newNode(databaseURL, configure), second: newNode(databaseURL, configure)}
	defer tt.first.end(t)
	defer tt.second.end(t)
	startNodes(ctx, t, tt.first, tt.second)
	conn := pgtest.Connect(t, databaseURL)
	far := time.Now().Add(time.Hour)
	tt.want(401, tt.first, "GET", "/api/activities", "", "")
	tt.want(401, tt.first, "POST", "/api/tickets", "", "")
	tt.want(403, tt.first, "GET", "/api/stats", "", signed(t, far, "nurse"))
	tt.want(200, tt.first, "GET", "/api/stats", "", signed(t, far, "operator"))
	tt.want(403, tt.first, "POST", "/api/events", `{"type":"call","data":1}`, signed(t, far, "guest"))

	var s *renewedStream
	for lifetime := 3 * time.Second; s == nil; lifetime *= 2 {
		pgtest.Exec(t, conn, `delete from pgherald.tickets`) // of an attempt that was too late
		s = tt.renew(lifetime)
	}
	tt.want(401, tt.second, "GET", "/api/events?ticket="+s.ticket, "", "")
	for s.at.Before(s.end.Add(100 * time.Millisecond)) {
		s.next("heartbeat")
	}
	tt.want(401, tt.first, "GET", "/api/activities", "", s.short)

	tt.want(201, tt.first, "POST", "/api/events", `{"type":"call","data":"for doctors","audience":["role:doctor"]}`, s.long)
	tt.want(201, tt.first, "POST", "/api/events", `{"type":"call","data":"for nurses","audience":["role:nurse"]}`, s.long)
	if got := string(s.next("call")); got != `"for nurses"` {
		t.Errorf("heard %s", got)
	}
	tt.want(201, tt.first, "POST", "/api/activities", `{"category":"c","subcategory":"s","location":"l","reporter":"r"}`, s.long)
	var left int
	if err := conn.QueryRow(ctx, `select count(*) from pgherald.tickets`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tickets left, %v", left, err)
	}
	for _, n := range []*node{tt.first, tt.second} {
		for _, token := range []string{s.short, s.long, s.ticket} {
			if log := n.log.String(); strings.Contains(log, token) || strings.Contains(log, e2eSecret) {
				t.Errorf("a secret is in the log")
			}
		}
	}
}
