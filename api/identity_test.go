package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/stream"
)

// fakeAuthenticator takes the identity from the header Test-User.
type fakeAuthenticator map[string]auth.Identity

func (p fakeAuthenticator) Authenticate(r *http.Request) (auth.Identity, error) {
	id, ok := p[r.Header.Get("Test-User")]
	if !ok {
		return auth.Identity{}, &auth.Error{Status: 401, Code: "token_required", Detail: "no identity"}
	}
	return id, nil
}

func withAuthenticator(p fakeAuthenticator) streamServerOptions {
	return streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: p, OperatorRole: "operator"})
	}}
}

var alice = auth.Identity{User: "alice", Roles: []string{"operator"}, Grants: []string{"role:operator", "user:alice"}}

func TestUnidentifiedClientsAreRefused(t *testing.T) {
	s := newStreamServer(t, withAuthenticator(fakeAuthenticator{"alice": alice}))
	for _, path := range []string{"/api/events", "/api/stats"} {
		response := s.expectProblem(http.StatusUnauthorized, "no identity", http.MethodGet, path)
		if got := response.Header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("%s: WWW-Authenticate %q", path, got)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if response, _ := s.request(http.MethodGet, path); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

func TestStatsAreForOperators(t *testing.T) {
	s := newStreamServer(t, withAuthenticator(fakeAuthenticator{"alice": alice, "bob": {User: "bob", Roles: []string{"nurse"}}}))
	s.openSynced("", "Test-User", "bob")
	_, body := s.request(http.MethodGet, "/api/stats", "Test-User", "bob")
	var p problem.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != 403 || p.Code != "role_required" {
		t.Errorf("bob: %s, %v", body, err)
	}
	_, body = s.request(http.MethodGet, "/api/stats", "Test-User", "alice")
	if !strings.Contains(body, `"connectionsByUser":{"bob":1}`) {
		t.Errorf("alice: %s", body)
	}
}

// Without a configured role no identity is an operator, not even one that has the empty role.
func TestUnsetRoleDeniesEveryIdentity(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: fakeAuthenticator{"eve": {User: "eve", Roles: []string{""}}}})
	}})
	s.expectProblem(http.StatusForbidden, "lacks the role", http.MethodGet, "/api/stats", "Test-User", "eve")
}

func TestGrantsComeFromTheIdentity(t *testing.T) {
	s := newStreamServer(t, withAuthenticator(fakeAuthenticator{"alice": alice, "bob": {User: "bob", Grants: []string{"user:bob"}}}))
	a, b := s.openSynced("", "Test-User", "alice"), s.openSynced("", "Test-User", "bob")
	for _, audience := range [][]string{{"user:alice"}, {"user:bob"}, nil} {
		tx := s.log.Begin()
		tx.Append(stream.Event{Type: "a", Audience: audience, Data: json.RawMessage(`"` + strings.Join(audience, "") + `"`)})
		tx.Commit()
	}
	s.wakeFeed()
	a.readUntil(`"data":"",`)
	b.readUntil(`"data":"",`)
	same(t, []string{`"user:alice"`, `""`}, a.payloads())
	same(t, []string{`"user:bob"`, `""`}, b.payloads())
}

func TestUserOfAStreamWithoutTokens(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	long := strings.Repeat("é", 200)
	s.openSynced("?user=alice")
	s.openSynced("?user=alice")
	s.openSynced("?user=" + long)
	s.openSynced("")
	want := map[string]int{"alice": 2, long: 1, "anonymous": 1}
	if diff := cmp.Diff(want, s.stats().ConnectionsByUser); diff != "" {
		t.Errorf("connections by user (-want +got):\n%s", diff)
	}
	for query, detail := range map[string]string{
		"?user=":              "must be a name of 1 to 200 characters",
		"?user=" + long + "x": "must be a name of 1 to 200 characters",
		"?user=%ff":           "must be a name of 1 to 200 characters",
		"?user=a&user=b":      "is given twice",
	} {
		s.expectProblem(http.StatusBadRequest, detail, http.MethodGet, "/api/events"+query)
	}
}

// The name that a client gives itself grants nothing.
func TestNameGrantsNothing(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	l := s.openSynced("?user=alice")
	tx := s.log.Begin()
	tx.Append(stream.Event{Type: "a", Audience: []string{"user:alice"}, Data: json.RawMessage(`"secret"`), At: time.Now()})
	tx.Commit()
	s.commit("b")
	l.readUntil(`"type":"b"`)
	if strings.Contains(l.received.String(), "secret") {
		t.Errorf("got %s", l.received.String())
	}
}

func TestNameWithAToken(t *testing.T) {
	s := newStreamServer(t, withAuthenticator(fakeAuthenticator{"alice": alice}))
	s.expectProblem(http.StatusBadRequest, "the token names the user", http.MethodGet, "/api/events?user=bob", "Test-User", "alice")
}
