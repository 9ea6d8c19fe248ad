package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/pgtest"
)

// guarded is an API that asks for tokens, in front of tables that a role of its own uses: one that
// the policies of the database apply to.
func guarded(t *testing.T) *server {
	t.Helper()
	databaseURL := pgtest.NewDatabase(t)
	s := &server{T: t, conn: pgtest.Connect(t, databaseURL), log: &safeBuffer{}}
	role := one[string](s, `select current_database() || '_app'`)
	quoted := pgx.Identifier{role}.Sanitize()
	s.exec(`create role ` + quoted + ` login`)
	t.Cleanup(func() { s.execAfter(`drop owned by ` + quoted + ` cascade; drop role ` + quoted) })
	s.exec(`grant select, insert, update, delete on all tables in schema public to ` + quoted)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	web := httptest.NewServer(newAPI(t, api.Config{
		Pool: pool, Head: head, Auth: newJWT(t), Roles: api.Roles{Write: "nurse"}, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}).Handler())
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

func (s *server) exec(sql string) {
	s.Helper()
	if _, err := s.conn.Exec(s.Context(), sql); err != nil {
		s.Fatalf("run %q: %v", sql, err)
	}
}

// execAfter is exec for when the test is over.
func (s *server) execAfter(sql string) {
	if _, err := s.conn.Exec(context.WithoutCancel(s.Context()), sql); err != nil {
		s.Errorf("run %q: %v", sql, err)
	}
}

func as(t *testing.T, user string, roles ...string) []string {
	return bearer(token(t, jwt.MapClaims{"sub": user, "roles": roles}))
}

func TestActivitiesNeedAToken(t *testing.T) {
	s := guarded(t)
	a := s.do(401, "GET", path, "")
	if a.body["code"] != "token_required" {
		t.Errorf("answer %s", a.raw)
	}
	s.do(401, "POST", path, plain)
	s.do(401, "GET", path+"/"+unknown, "")
	s.do(200, "GET", path, "", as(t, "alice")...)
	for _, change := range [][2]string{
		{"POST", path}, {"PUT", path + "/" + unknown}, {"DELETE", path + "/" + unknown}, {"POST", path + "/" + unknown + "/notes"},
		{"PUT", path + "/" + unknown + "/assignment"}, {"DELETE", path + "/" + unknown + "/assignment"},
	} {
		if a := s.do(403, change[0], change[1], plain, as(t, "alice", "guest")...); a.body["code"] != "role_required" {
			t.Errorf("%s %s: %s", change[0], change[1], a.raw)
		}
	}
	s.do(201, "POST", path, plain, as(t, "alice", "nurse")...)
	if n := one[int](s, `select count(*) from activities`); n != 1 {
		t.Errorf("%d activities", n)
	}
}

// Policies of the user's own: one sees what one has reported, an auditor sees everything, and
// nobody reports in another's name.
func TestPoliciesApply(t *testing.T) {
	s := guarded(t)
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
		t.Errorf("in another's name: %s", a.raw)
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

// The connection goes to the next one without a trace of who had it before.
func TestUserIsOfOneTransactionAlone(t *testing.T) {
	s := newServer(t)
	s.exec(`create table seen (who text, roles text);
		create function note() returns trigger language plpgsql as $$ begin
			insert into seen values (current_setting('pgherald.user', true), current_setting('pgherald.roles', true)); return null;
		end $$;
		create trigger note after insert on activities execute function note()`)
	g := httptest.NewServer(newAPI(t, api.Config{Pool: s.pool, Head: head, Auth: newJWT(t), Roles: api.Roles{Write: "nurse"}}).Handler())
	defer g.Close()
	open := s.url
	s.url = g.URL
	s.do(201, "POST", path, plain, as(t, "alice", "nurse", "a b")...)
	s.url = open // asks for no token
	for range 10 {
		s.do(201, "POST", path, plain)
	}
	same(t, `alice/["a b","nurse"]`, one[string](s, `select string_agg(distinct who || '/' || roles, ' ') from seen where who <> ''`))
	same(t, 10, one[int](s, `select count(*)::int from seen where coalesce(who, '') = '' and coalesce(roles, '') = ''`))
}

// A right that our own role lacks is our mistake, and no policy.
func TestARightThatOurRoleLacks(t *testing.T) {
	s := guarded(t)
	s.exec(`revoke insert on activities from ` + pgx.Identifier{one[string](s, `select current_database() || '_app'`)}.Sanitize())
	s.do(http.StatusInternalServerError, "POST", path, plain, as(t, "alice", "nurse")...)
	if !strings.Contains(s.log.String(), "permission denied") {
		t.Errorf("log %s", s.log.String())
	}
}
