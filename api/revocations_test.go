package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
)

// newRevocationServer returns a server with everything that takes tokens. It receives the notifications of other servers
// on the same database.
func newRevocationServer(t *testing.T, databaseURL string) *streamServer {
	t.Helper()
	pool := newPool(t, databaseURL)
	store := control.NewRevocations(pool, 0)
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{
			Authenticator: newJWT(t), OperatorRole: "operator", Tickets: control.NewTickets(pool),
			Renewals: control.NewRenewals(pool), Revocations: store, Disconnects: store,
		}, api.Publishing{Publisher: control.NewPublisher(pool), Role: "nurse"})
	}})
	if err := s.api.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.api.SetRenewalTimeout(waitLimit)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `listen pgherald_control`)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			if n.Payload == control.RevocationsPayload {
				s.api.RevocationsChanged()
				continue
			}
			s.api.RenewalRequested(n.Payload)
		}
	})
	t.Cleanup(func() {
		cancel()
		pgtest.Within(t, "the end of the notifications", running.Wait)
	})
	return s
}

// post sends a body as an operator, whose token is new.
func (s *streamServer) post(path, body string) (int, problem.Problem) {
	s.Helper()
	return s.postAs(token(s, jwt.MapClaims{"sub": "root", "roles": "operator", "iat": time.Now().Unix()}), path, strings.NewReader(body))
}

func (s *streamServer) postAs(token, path string, body io.Reader) (int, problem.Problem) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), waitLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.web.URL+path, body)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := s.web.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var p problem.Problem
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		s.Errorf("body of %s: %v", response.Status, err)
	}
	return response.StatusCode, p
}

func (s *streamServer) revoke(body string) {
	s.Helper()
	if status, p := s.post("/api/revocations", body); status != http.StatusNoContent {
		s.Errorf("revoke %s: %d %+v", body, status, p)
	}
}

// expectRevoked checks that the server refuses a token.
func (s *streamServer) expectRevoked(token string) {
	s.Helper()
	for _, path := range []string{"/api/events", "/api/stats"} {
		response, body := s.request(http.MethodGet, path, bearer(token)...)
		if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":"token_revoked"`) {
			s.Errorf("%s: %d %s, want token_revoked", path, response.StatusCode, body)
		}
	}
}

// old returns a token of a user, issued an hour ago.
func old(t *testing.T, user, jti string) string {
	return token(t, jwt.MapClaims{"sub": user, "jti": jti, "iat": time.Now().Add(-time.Hour).Unix()})
}

// A revocation at one server ends the streams of the named tokens at all servers, and only those. The tokens are refused
// from then on, also by a server that starts later.
func TestRevocationEndsStreams(t *testing.T) {
	for name, c := range map[string]struct{ body, other string }{
		"by jti":  {`{"jti":"t1"}`, old(t, "alice", "t2")},
		"by user": {`{"user":"alice"}`, old(t, "bob", "t1")},
		"by user and time": {
			`{"user":"alice","issuedBefore":"` + time.Now().Add(-time.Minute).Format(time.RFC3339) + `"}`,
			token(t, jwt.MapClaims{"jti": "t1", "iat": time.Now().Unix()}),
		},
		"by time": {
			`{"issuedBefore":"` + time.Now().Add(-time.Minute).Format(time.RFC3339) + `"}`,
			token(t, jwt.MapClaims{"jti": "t1", "iat": time.Now().Unix()}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			databaseURL := pgtest.NewDatabase(t)
			here, there := newRevocationServer(t, databaseURL), newRevocationServer(t, databaseURL)
			revoked := old(t, "alice", "t1")
			streams := []*streamClient{here.openSynced("", bearer(revoked)...), there.openSynced("?batch=100ms", bearer(revoked)...)}
			kept := []*streamClient{here.openSynced("", bearer(c.other)...), there.openSynced("", bearer(c.other)...)}
			here.revoke(c.body)
			here.expectRevoked(revoked) // at once
			here.commit("late")
			for _, l := range streams {
				l.readToEnd()
				if got := l.received.String(); strings.Contains(got, "late") || !strings.Contains(got, `{"mode":"expired"}`) {
					t.Errorf("the stream of a revoked token received %s", got)
				}
			}
			there.logs.await(t, 1, "stream closed", "user=alice", "reason=revoked")
			there.commit("late")
			for _, l := range kept {
				l.readUntil("late")
			}
			there.expectRevoked(revoked)
			newRevocationServer(t, databaseURL).expectRevoked(revoked)
		})
	}
}

// A revocation whose notification is lost, and one by another program, is in effect after the next read.
func TestRevocationWithoutANotification(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	s := newRevocationServer(t, databaseURL)
	l := s.openSynced("", bearer(old(t, "alice", "t1"))...)
	began := time.Now()
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `insert into pgherald.revocations (jti) values ('t1')`)
	l.readToEnd()
	t.Logf("the stream ended %v after the revocation", time.Since(began))
}

func TestTicketOfARevokedToken(t *testing.T) {
	s := newRevocationServer(t, pgtest.NewDatabase(t))
	for body, user := range map[string]string{`{"jti":"bob"}`: "bob", `{"user":"alice"}`: "alice"} {
		given := s.issueTicket(bearer(old(t, user, user))...)
		s.revoke(body)
		s.expectProblem(http.StatusUnauthorized, "revoked", http.MethodGet, "/api/events?ticket="+given)
	}
}

// A renewed stream lives as long as its new token: the old one may be revoked.
func TestRevocationAfterARenewal(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	here, other := newRevocationServer(t, databaseURL), newRevocationServer(t, databaseURL)
	for name, at := range map[string]*streamServer{"here": here, "elsewhere": other} {
		t.Run(name, func(t *testing.T) {
			s, at := here.forTest(t), at.forTest(t)
			l := s.openSynced("", bearer(token(t, jwt.MapClaims{"jti": name + "1", "exp": hoursFromNow(1).Unix()}))...)
			second := token(t, jwt.MapClaims{"jti": name + "2", "exp": hoursFromNow(2).Unix()})
			at.renew(200, "", l.connection(), bearer(second)...)
			s.revoke(`{"jti":"` + name + `1"}`)
			s.commit(name)
			l.readUntil(`"type":"` + name + `"`)
			s.revoke(`{"jti":"` + name + `2"}`)
			l.readToEnd()
			at.awaitEnd(bearer(second)) // it has read the revocation
			at.renew(401, "token_revoked", l.connection(), bearer(second)...)
		})
	}
}

func TestInvalidRevocations(t *testing.T) {
	s := newRevocationServer(t, pgtest.NewDatabase(t))
	for body, want := range map[string]string{
		``:                       "empty",
		`{}`:                     "give a jti, a user, or a time",
		`{"jti":""}`:             "must not be empty",
		`{"jti":7}`:              "must be a string",
		`{"jti":"x","user":"y"}`: "jti names one token",
		`{"jti":"` + strings.Repeat("é", 200) + `"}`:              "1 to 255 bytes",
		`{"issuedBefore":"tomorrow"}`:                             "must be a time such as",
		`{"user":"x","issuedBefore":"0001-01-01T00:00:00Z"}`:      "must be a time of 1970 or later",
		`{"user":"x","issuedBefore":"0001-01-01T01:00:00+01:00"}`: "must be a time of 1970 or later",
		`{"issuedBefore":"0001-01-01T00:00:00Z"}`:                 "must be a time of 1970 or later",
		`{"user":"x","issuedBefore":"1969-12-31T23:59:59Z"}`:      "must be a time of 1970 or later",
		`{"jti":"x","expires":"0001-01-01T00:00:00Z"}`:            "must be a time of 1970 or later",
		`{"issuedBefore":1764000000}`:                             "must be a string",
		`{"issuedBefore":"2101-01-01T00:00:00Z"}`:                 "must not be in the future",
		`{"user":"x","issuedBefore":"2101-01-01T00:00:00Z"}`:      "must not be in the future",
		`{"jti":"x","expires":"2020-01-01T00:00:00Z"}`:            "would end at once",
		`{"jti":"x","jti":"y"}`:                                   "is given twice",
		`{"token":"x"}`:                                           "is unknown",
	} {
		status, p := s.post("/api/revocations", body)
		if status != http.StatusBadRequest || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %d %+v, want %q", body, status, p, want)
		}
		for _, e := range p.Errors {
			if strings.Contains(e.Field, "_") {
				t.Errorf("%s: the field %s is not of the body", body, e.Field)
			}
		}
	}
	status, p := s.postAs(token(t, jwt.MapClaims{"roles": "nurse"}), "/api/revocations", strings.NewReader(`{"user":"root"}`))
	if status != http.StatusForbidden || p.Code != "role_required" {
		t.Errorf("without the role: %d %+v", status, p)
	}
	without := newStreamServer(t, withTokens(newJWT(t)))
	without.expectProblem(http.StatusNotFound, "nothing is here", http.MethodPost, "/api/revocations")
}

// failingStore is a store that cannot be read until it is opened.
type failingStore struct {
	mu     sync.Mutex
	isOpen bool
	reads  int
}

func (s *failingStore) Read(context.Context, uint64) ([]auth.Revocation, []auth.Disconnect, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if !s.isOpen {
		return nil, nil, 0, errors.New("the store is closed")
	}
	return nil, nil, 1, nil
}

func (*failingStore) Prune(context.Context) error                              { return nil }
func (*failingStore) Revoke(context.Context, auth.Revocation, time.Time) error { return nil }

// A server that does not know what was revoked accepts no token.
func TestServerThatCannotReadRevocationsRefusesTokens(t *testing.T) {
	store := &failingStore{}
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: newJWT(t), Revocations: store})
	}})
	response := s.expectProblem(http.StatusServiceUnavailable, "not read yet", http.MethodGet, "/api/events", bearer(token(t, nil))...)
	if response.Header.Get("Retry-After") == "" {
		t.Errorf("headers %v", response.Header)
	}
	s.logs.await(t, 1, "revocations not read", "the store is closed")
	store.mu.Lock()
	store.isOpen = true
	store.mu.Unlock()
	if err := s.api.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.openSynced("", bearer(token(t, nil))...)
}

// Every role of the database may send notifications. A flood of them causes at most one read in 20 ms.
func TestAbuseNotifications(t *testing.T) {
	store := &failingStore{isOpen: true}
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: newJWT(t), Revocations: store})
	}})
	count := func() int {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.reads
	}
	before, began := count(), time.Now()
	for count() < before+5 {
		s.api.RevocationsChanged()
	}
	if took := time.Since(began); took < 4*20*time.Millisecond {
		t.Errorf("5 reads in %v, want at least 20 ms between two", took)
	}
}

// awaitEnd waits until the server refuses a token that it has accepted. It asks now and then: other tests run at the same time.
func (s *streamServer) awaitEnd(header []string) {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		response, body := s.request(http.MethodGet, "/api/stats", header...)
		if response.StatusCode == http.StatusUnauthorized {
			return
		}
		if response.StatusCode != http.StatusForbidden {
			s.Fatalf("%d %s", response.StatusCode, body)
		}
	}
}

// shortLifetime is how long a token lives whose end a test awaits. Such tests run in parallel.
const shortLifetime = 8 * time.Second

// shortToken returns a token that is issued at this moment.
func shortToken(t *testing.T, lifetime time.Duration) string {
	return token(t, jwt.MapClaims{"roles": "nurse", "exp": time.Now().Add(lifetime).Unix()})
}

// withShortTokens runs a scenario with a token that ends soon. It returns false if the server refused the token, since this process
// had stood still for longer than it lives: then the scenario runs again with one that lives longer.
func withShortTokens(t *testing.T, scenario func(t *testing.T, newToken func() string) bool) {
	t.Helper()
	for lifetime := shortLifetime; lifetime < 5*time.Minute; lifetime *= 4 {
		if scenario(t, func() string { return shortToken(t, lifetime) }) {
			return
		}
		t.Logf("%v are too short for this machine", lifetime)
	}
	t.Error("the server accepted no token")
}

// A ticket ends with its token, whatever is left of its own 30 seconds.
func TestTicketOfAnEndedToken(t *testing.T) {
	t.Parallel()
	withShortTokens(t, ticketOfAnEndedToken)
}

func ticketOfAnEndedToken(t *testing.T, newToken func() string) bool {
	databaseURL := pgtest.NewDatabase(t)
	s := newRevocationServer(t, databaseURL)
	header := bearer(newToken())
	response, body := s.request(http.MethodPost, "/api/tickets", header...)
	if strings.Contains(body, `"code":"token_expired"`) {
		return false
	}
	var given struct{ Ticket string }
	if err := json.Unmarshal([]byte(body), &given); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("ticket: %d %s, %v", response.StatusCode, body, err)
	}
	s.awaitEnd(header)
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), `update pgherald.tickets set expires = clock_timestamp() + interval '30 s'`)
	s.expectProblem(http.StatusUnauthorized, "has expired", http.MethodGet, "/api/events?ticket="+given.Ticket)
	return true
}

// A client that withholds the body until its token has ended, or was revoked, writes nothing.
func TestAbuseBodyAfterTheTokensEnd(t *testing.T) {
	for name, c := range map[string]struct {
		token func(*testing.T) string
		end   func(s *streamServer, token string)
	}{
		"expired": {func(t *testing.T) string { return shortToken(t, shortLifetime) }, func(s *streamServer, token string) { s.awaitEnd(bearer(token)) }},
		"revoked": {func(t *testing.T) string { return token(t, jwt.MapClaims{"roles": "nurse"}) }, func(s *streamServer, _ string) { s.revoke(`{"user":"alice"}`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRevocationServer(t, pgtest.NewDatabase(t))
			token, body := c.token(t), `{"type":"late","data":1}`
			conn := s.dial(fmt.Sprintf("POST /api/events HTTP/1.1\r\nHost: pgherald\r\nAuthorization: Bearer %s\r\n"+
				"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body[:1]))
			c.end(s, token)
			if _, err := io.WriteString(conn, body[1:]); err != nil {
				t.Fatal(err)
			}
			response, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(response), "HTTP/1.1 401 ") || !strings.Contains(string(response), `"code":"token_`+name) {
				t.Errorf("response %s, %v", response, err)
			}
		})
	}
}
