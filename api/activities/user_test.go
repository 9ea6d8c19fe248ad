package activities_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/db/pgtest"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

func newAuth(t *testing.T) api.Auth {
	t.Helper()
	j, err := auth.New(t.Context(), auth.Options{Secret: jwtSecret, Issuer: "issuer", Audience: "pgherald"})
	if err != nil {
		t.Fatal(err)
	}
	return api.Auth{Authenticator: j}
}

// as returns the header with a token of the user.
func as(t *testing.T, user string, roles ...string) []string {
	t.Helper()
	claims := jwt.MapClaims{"iss": "issuer", "aud": "pgherald", "sub": user, "roles": roles, "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(jwtSecret)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"Authorization", "Bearer " + token}
}

// newSecuredServer returns an API that checks tokens and connects as a role without privileges but on the tables, so that
// the policies of the database apply to it.
func newSecuredServer(t *testing.T) *server {
	t.Helper()
	databaseURL := pgtest.NewDatabase(t)
	s := &server{T: t, conn: pgtest.Connect(t, databaseURL), log: &safeBuffer{}}
	quoted := s.role()
	s.exec(`create role ` + quoted + ` login`)
	t.Cleanup(func() { s.execAtCleanup(`drop owned by ` + quoted + ` cascade; drop role ` + quoted) })
	s.exec(`grant select, insert, update, delete on all tables in schema public to ` + quoted)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(queryOne[string](s, `select current_database() || '_app'`))
	s.pool = newPool(t, u.String())
	s.url = s.serve(activities.Options{WriteRole: "nurse"}, newAuth(t)).URL
	return s
}

// role returns the quoted name of the API's role.
func (s *server) role() string {
	s.Helper()
	return pgx.Identifier{queryOne[string](s, `select current_database() || '_app'`)}.Sanitize()
}

// execAtCleanup is exec for a cleanup, when the test's context has ended.
func (s *server) execAtCleanup(sql string) {
	if _, err := s.conn.Exec(context.WithoutCancel(s.Context()), sql); err != nil {
		s.Errorf("run %q: %v", sql, err)
	}
}

func TestActivitiesNeedAToken(t *testing.T) {
	s := newSecuredServer(t)
	a := s.do(401, "GET", path, "")
	if a.body["code"] != "token_required" {
		t.Errorf("response %s", a.raw)
	}
	s.do(401, "POST", path, plain)
	s.do(401, "GET", path+"/"+unknown, "")
	s.do(200, "GET", path, "", as(t, "alice")...)
	for _, change := range [][3]string{
		{"POST", path, plain}, {"PUT", path + "/" + unknown, plain}, {"DELETE", path + "/" + unknown}, {"POST", path + "/" + unknown + "/notes", plain},
		{"PUT", path + "/" + unknown + "/assignment", plain}, {"DELETE", path + "/" + unknown + "/assignment"},
	} {
		if a := s.do(403, change[0], change[1], change[2], as(t, "alice", "guest")...); a.body["code"] != "role_required" {
			t.Errorf("%s %s: %s", change[0], change[1], a.raw)
		}
	}
	s.do(201, "POST", path, plain, as(t, "alice", "nurse")...)
	if n := queryOne[int](s, `select count(*) from activities`); n != 1 {
		t.Errorf("%d activities", n)
	}
}

// Policies of an operator: users see the activities that they reported, auditors see all, and no user reports as another.
func TestRowSecurityPoliciesApply(t *testing.T) {
	s := newSecuredServer(t)
	s.exec(`
		alter table activities enable row level security;
		create policy own on activities
			using (reporter = current_setting('pgherald.user', true))
			with check (reporter = current_setting('pgherald.user', true));
		create policy audit on activities for select
			using (coalesce(nullif(current_setting('pgherald.roles', true), ''), '[]')::jsonb ? 'auditor')`)
	by := func(user string) string { return strings.Replace(plain, `"r"`, `"`+user+`"`, 1) }
	mine := s.do(201, "POST", path, by("alice"), as(t, "alice", "nurse")...).header.Get("Location")
	if a := s.do(403, "POST", path, by("bob"), as(t, "alice", "nurse")...); a.body["code"] != "row_security" {
		t.Errorf("report as another user: %s", a.raw)
	}
	s.do(201, "POST", path, by("bob's, 'nurse'"), as(t, "bob's, 'nurse'", "nurse")...)
	for _, c := range []struct {
		user  string
		roles []string
		sees  int
	}{{"alice", nil, 1}, {"bob's, 'nurse'", nil, 1}, {"carol", nil, 0}, {"carol", []string{"auditor"}, 2}, {"carol", []string{`x","auditor`}, 0}, {"auditor", nil, 0}} {
		a := s.do(200, "GET", path, "", as(t, c.user, c.roles...)...)
		if got := len(a.body["activities"].([]any)); got != c.sees {
			t.Errorf("%s %v sees %d activities, want %d", c.user, c.roles, got, c.sees)
		}
	}
	s.do(404, "GET", mine, "", as(t, "bob", "nurse")...)
	s.do(404, "PUT", mine, `{"status":"done"}`, as(t, "bob", "nurse")...)
	s.do(404, "DELETE", mine, "", as(t, "bob", "nurse")...)
	s.do(200, "PUT", mine, `{"status":"done"}`, as(t, "alice", "nurse")...)
	s.do(204, "DELETE", mine, "", as(t, "alice", "nurse")...)
}

// The next transaction of the same connection does not inherit the user.
func TestUserEndsWithTheTransaction(t *testing.T) {
	s := newServer(t)
	s.exec(`create table seen (who text, roles text);
		create function note() returns trigger language plpgsql as $$ begin
			insert into seen values (current_setting('pgherald.user', true), current_setting('pgherald.roles', true)); return null;
		end $$;
		create trigger note after insert on activities execute function note()`)
	withoutAuth := s.url
	s.url = s.serve(activities.Options{WriteRole: "nurse"}, newAuth(t)).URL
	s.do(201, "POST", path, plain, as(t, "alice", "nurse", "a b")...)
	s.url = withoutAuth
	for range 10 {
		s.do(201, "POST", path, plain)
	}
	same(t, `alice/["a b","nurse"]`, queryOne[string](s, `select string_agg(distinct who || '/' || roles, ' ') from seen where who <> ''`))
	same(t, 10, queryOne[int](s, `select count(*)::int from seen where coalesce(who, '') = '' and coalesce(roles, '') = ''`))
}

// A privilege that the API's role lacks is an error of the operator, unlike a policy.
func TestMissingPrivilege(t *testing.T) {
	s := newSecuredServer(t)
	s.exec(`revoke insert on activities from ` + s.role())
	s.do(http.StatusInternalServerError, "POST", path, plain, as(t, "alice", "nurse")...)
	if !strings.Contains(s.log.String(), "permission denied") {
		t.Errorf("log %s", s.log.String())
	}
}

// A page leaves out its forms for users who may not write.
func TestListSaysWhoMayWrite(t *testing.T) {
	secured, open := newSecuredServer(t), newServer(t)
	for _, test := range []struct {
		server *server
		header []string
		want   string
	}{
		{secured, as(t, "ada", "nurse"), "GET, HEAD, POST"},
		{secured, as(t, "ada", "doctor"), "GET, HEAD"},
		{open, nil, "GET, HEAD, POST"},
	} {
		if got := test.server.do(http.StatusOK, http.MethodGet, path, "", test.header...).header.Get("Allow"); got != test.want {
			t.Errorf("with %q: Allow = %q, want %q", test.header, got, test.want)
		}
	}
}
