package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestErrors(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	with := func(member string) string { return plain[:len(plain)-1] + "," + member + "}" }
	for _, tt := range []struct {
		method, path, body string
		status             int
		fields             string // comma-separated
	}{
		{"GET", path + "/" + unknown, "", 404, ""},
		{"GET", path + "/7", "", 404, ""},
		{"GET", path + "/%00", "", 404, ""},
		{"GET", path + "/" + strings.Repeat("f", 36), "", 404, ""},
		{"PUT", path + "/" + unknown, `{"status":"done"}`, 404, ""},
		{"PUT", path + "/x", `{"status":"done"}`, 404, ""},
		{"DELETE", path + "/" + unknown, "", 404, ""},
		{"DELETE", path + "/x", "", 404, ""},
		{"GET", path + "/" + unknown + "/notes", "", 404, ""},
		{"GET", path + "/x/notes", "", 404, ""},
		{"POST", path + "/" + unknown + "/notes", `{"notes":"n","authorId":"u"}`, 404, ""},
		{"POST", path + "/x/notes", `{"notes":"n","authorId":"u"}`, 404, ""},
		{"PUT", path + "/" + unknown + "/assignment", `{"assigneeId":"a"}`, 404, ""},
		{"PUT", path + "/x/assignment", `{"assigneeId":"a"}`, 404, ""},
		{"DELETE", path + "/" + unknown + "/assignment", "", 404, ""},
		{"DELETE", path + "/x/assignment", "", 404, ""},

		{"POST", path, `{}`, 400, "category,subcategory,location,reporter"},
		{"POST", path, `{`, 400, ""},
		{"POST", path, plain + "x", 400, ""},
		{"POST", path, with(`"id":"x"`), 400, "id"},
		{"POST", path, with(`"status":null`), 400, "status"},
		{"POST", path, with(`"status":1`), 400, "status"},
		{"POST", path, with(`"status":""`), 400, "status"},
		{"POST", path, with(`"status":"` + strings.Repeat("x", 201) + `"`), 400, "status"},
		{"POST", path, with(`"status":"a\u0000"`), 400, "status"},
		{"POST", path, with("\"status\":\"\xc0\""), 400, "status"},
		{"POST", path, with(`"assignedTo":""`), 400, "assignedTo"},
		{"POST", path, with(`"assignedTo":false`), 400, "assignedTo"},
		{"POST", path, with(`"status":"` + strings.Repeat("x", 65<<10) + `"`), 413, ""},

		{"PUT", activity, `{}`, 400, ""},
		{"PUT", activity, `{"authorId":"u","updateType":"general"}`, 400, ""},
		{"PUT", activity, `{"notes":"n"}`, 400, "authorId"},
		{"PUT", activity, `{"notes":null,"authorId":"u"}`, 400, "notes"},
		{"PUT", activity, `{"notes":"n","authorId":null}`, 400, "authorId"},
		{"PUT", activity, `{"notes":"n","authorId":"u","updateType":"x"}`, 400, "updateType"},
		{"PUT", activity, `{"notes":"` + strings.Repeat("x", 10_001) + `","authorId":"u"}`, 400, "notes"},
		{"PUT", activity, `{"category":null}`, 400, "category"},
		{"PUT", activity, `{"reporter":"r"}`, 400, "reporter"},
		{"PUT", activity, `{"status":[],"location":{}}`, 400, "status,location"},

		{"POST", activity + "/notes", `{}`, 400, "notes,authorId"},
		{"POST", activity + "/notes", `{"notes":"n","authorId":"u","updateType":"x"}`, 400, "updateType"},
		{"PUT", activity + "/assignment", `{}`, 400, "assigneeId"},
		{"PUT", activity + "/assignment", `{"assigneeId":null}`, 400, "assigneeId"},

		{"GET", path + "?limit=501", "", 400, "limit"},
		{"GET", path + "?after=x", "", 400, "after"},
		{"GET", path + "?state=open&page=2", "", 400, "page,state"},
		{"GET", path + "?q=%00", "", 400, "q"},
		{"GET", activity + "/notes?after=!", "", 400, "after"},
		{"GET", activity + "/notes?status=x", "", 400, "status"},

		{"PATCH", activity, `{}`, 405, ""},
		{"DELETE", path, "", 405, ""},
		{"POST", activity, `{}`, 405, ""},
		{"GET", activity + "/assignment", "", 405, ""},
	} {
		name := tt.method + " " + strings.ReplaceAll(tt.path, activity, "{activity}") + " " + tt.body
		t.Run(name[:min(len(name), 80)], func(t *testing.T) {
			a := s.do(tt.status, tt.method, tt.path, tt.body)
			same(t, "application/problem+json", a.header.Get("Content-Type"))
			same(t, float64(tt.status), a.body["status"])
			if a.body["title"] == "" || a.body["detail"] == "" || a.body["type"] != "about:blank" {
				t.Errorf("problem %s", a.raw)
			}
			var fields []string
			list, _ := a.body["errors"].([]any)
			for _, e := range list {
				fields = append(fields, e.(map[string]any)["field"].(string))
			}
			same(t, tt.fields, strings.Join(fields, ","))
			if tt.status == 405 && a.header.Get("Allow") == "" {
				t.Error("no header Allow")
			}
		})
	}
	s.do(415, "POST", path, plain, "Content-Type", "text/plain")
	s.do(415, "PUT", activity, plain, "Content-Type", "application/json; charset=latin1")
	same(t, 1, queryOne[int](s, "select count(*)::int from activities"))
	same(t, 0, queryOne[int](s, "select count(*)::int from activity_updates"))
	same(t, "", s.log.String())
}

// A constraint that an operator adds to the tables is named to the client, with the field that it is about.
func TestRulesOfTheDatabase(t *testing.T) {
	s := newServer(t)
	pgtest.Exec(t, s.conn, `
alter table activities add constraint activities_status_known check (status in ('open', 'done'));
alter table activities add constraint quiet_at_night check (location <> 'night');
create unique index one_each on activities (reporter);
create function refuse() returns trigger language plpgsql as $$ begin raise 'secret'; end $$;
create trigger refuse before insert on activities for each row when (new.category = 'bad') execute function refuse()`)
	activity := s.create(plain)

	a := s.do(400, "PUT", activity, `{"status":"x"}`)
	same(t, []any{map[string]any{"field": "status", "detail": "is not allowed by the rule activities_status_known"}}, a.body["errors"].([]any))
	a = s.do(400, "PUT", activity, `{"location":"night"}`)
	same(t, "the body is not allowed by the rule quiet_at_night", a.body["detail"].(string))
	a = s.do(409, "POST", path, plain)
	same(t, "something with these values exists already (rule one_each)", a.body["detail"].(string))
	same(t, "", s.log.String())

	a = s.do(500, "POST", path, strings.Replace(plain, `"c"`, `"bad"`, 1))
	if strings.Contains(a.raw, "secret") || !strings.Contains(s.log.String(), "secret") {
		t.Errorf("response %s, log %s", a.raw, s.log)
	}
}

func TestDatabaseOutages(t *testing.T) {
	c := pgtest.NewCluster(t)
	s := newServerOn(t, c.NewDatabase(t))
	activity := s.create(plain)
	for name, end := range map[string]func(testing.TB){"stopped": c.Stop, "killed": c.Kill} {
		t.Run(name, func(t *testing.T) {
			end(t)
			for range 3 { // first with idle connections in the pool, then with none
				a := s.do(503, "PUT", activity, `{"status":"lost"}`)
				if a.header.Get("Retry-After") == "" {
					t.Errorf("no Retry-After in %v", a.header)
				}
				s.do(503, "GET", path, "")
			}
			c.Start(t)
			a, err := s.send(t.Context(), "GET", activity, "")
			for ; err == nil && a.status == 503; a, err = s.send(t.Context(), "GET", activity, "") {
			}
			if err != nil || a.status != 200 || a.body["status"] != "open" {
				t.Errorf("after the outage: %d %s, %v", a.status, a.raw, err)
			}
		})
	}
}

func TestBackendTerminated(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	locker := s.lock(activity)
	answers := s.goDo("PUT", activity, `{"status":"done"}`)
	s.waitBlocked(1)
	pgtest.Exec(t, s.conn, "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
	if a := <-answers; a.status != 503 {
		t.Errorf("response %d %s", a.status, a.raw)
	}
	pgtest.Exec(t, locker, "rollback")
	same(t, "open", s.do(200, "GET", activity, "").body["status"].(string))
}

// A request whose client disconnects is cancelled, and no longer waits for the lock.
func TestClientDisconnects(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	locker := s.lock(activity)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for method, body := range map[string]string{"PUT": `{"status":"done"}`, "DELETE": ""} {
		go func() {
			_, err := s.send(ctx, method, activity, body)
			done <- err
		}()
	}
	s.waitBlocked(2)
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	pgtest.AwaitNoLockWait(t, s.conn)
	pgtest.Exec(t, locker, "commit")
	same(t, "open", s.do(200, "GET", activity, "").body["status"].(string))
	same(t, "", s.log.String())
}
