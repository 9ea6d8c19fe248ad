package activities_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// lock returns a connection with an open transaction that has locked the activity.
func (s *server) lock(activity string) *pgx.Conn {
	s.Helper()
	conn := pgtest.Connect(s, s.conn.Config().ConnString())
	pgtest.Exec(s, conn, "begin")
	pgtest.Exec(s, conn, "select from activities where id = $1 for update", strings.TrimPrefix(activity, path+"/"))
	return conn
}

// goDo sends a request in a goroutine and returns the channel of its response.
func (s *server) goDo(method, path, body string) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		a, err := s.send(s.Context(), method, path, body)
		if err != nil {
			s.Error(err)
		}
		answers <- a
	}()
	return answers
}

// waitBlocked waits until n connections of the API wait for a lock.
func (s *server) waitBlocked(n int) {
	s.Helper()
	pgtest.AwaitLockWait(s, s.conn, pgtest.LockWait{Sessions: n})
}

// recordTriggers installs statement triggers that record what they see: a line for each statement and table.
const recordTriggers = `
create table seen (id int generated always as identity, line text);
create function see() returns trigger language plpgsql as $$
begin
    insert into seen (line) values (format(
        '%s %s: %s %s %s', tg_op, tg_table_name,
        (select status from activities),
        coalesce((select assignee_id from assignments), '-'),
        coalesce((select notes || ' ' || update_type from activity_updates order by id desc limit 1), '-')
    ));
    return null;
end $$;
create trigger a after insert or update or delete on activities execute function see();
create trigger a after insert or update or delete on assignments execute function see();
create trigger a after insert or update or delete on activity_updates execute function see()`

func TestTriggersSeeTheFinalState(t *testing.T) {
	s := newServer(t)
	pgtest.Exec(t, s.conn, recordTriggers)
	activity := ""
	for _, tt := range []struct {
		method, path, body string
		want               []string
	}{
		{"POST", path, plain[:len(plain)-1] + `,"assignedTo":"a"}`, []string{
			"INSERT activities: open a -", "INSERT assignments: open a -",
		}},
		{"PUT", "", `{"location":"x"}`, []string{"UPDATE activities: open a -"}},
		{"PUT", "", `{"assignedTo":null}`, []string{"DELETE assignments: open - -"}},
		{"PUT", "", `{"assignedTo":"b"}`, []string{"INSERT assignments: open b -", "UPDATE assignments: open b -"}},
		{"PUT", "", `{"notes":"n","authorId":"u"}`, []string{"INSERT activity_updates: open b n general"}},
		{"PUT", "", `{"status":"done","assignedTo":"c","notes":"m","authorId":"u"}`, []string{
			"INSERT activity_updates: done c m status", "INSERT assignments: done c m status",
			"UPDATE activities: done c m status", "UPDATE assignments: done c m status",
		}},
		{"PUT", "", `{"status":"open","assignedTo":null,"notes":"o","authorId":"u"}`, []string{
			"DELETE assignments: open - o status", "INSERT activity_updates: open - o status", "UPDATE activities: open - o status",
		}},
		{"PUT", "/assignment", `{"assigneeId":"d"}`, []string{
			"INSERT assignments: open d o status", "UPDATE assignments: open d o status",
		}},
		{"DELETE", "/assignment", "", []string{"DELETE assignments: open - o status"}},
		{"POST", "/notes", `{"notes":"p","authorId":"u"}`, []string{"INSERT activity_updates: open - p general"}},
	} {
		pgtest.Exec(t, s.conn, "truncate seen")
		a, err := s.send(t.Context(), tt.method, activity+tt.path, tt.body)
		if err != nil || a.status >= 300 {
			t.Fatal(a.raw, err)
		}
		if activity == "" {
			activity = a.header.Get("Location")
		}
		same(t, tt.want, queryOne[[]string](s, `select array_agg(line order by line collate "C") from seen`))
	}
}

// Rows that one command of one transaction wrote have the same xmin and cmin.
func TestWritesAreOneStatement(t *testing.T) {
	s := newServer(t)
	const commands = `
select count(distinct (xmin::text, cmin::text))
from (
    select xmin, cmin from activities
    union all select xmin, cmin from assignments
    union all select xmin, cmin from activity_updates
) as rows`
	activity := s.create(plain[:len(plain)-1] + `,"assignedTo":"a"}`)
	same(t, 1, queryOne[int](s, commands))
	s.do(200, "PUT", activity, `{"category":"x","status":"done","assignedTo":"b","notes":"n","authorId":"u"}`)
	same(t, 1, queryOne[int](s, commands))
}

func TestConcurrentChangesAreAllKept(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	const rounds = 10
	fields := []string{"category", "subcategory", "location", "status", "assignedTo"}
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for round := range rounds {
				body := fmt.Sprintf(`{"notes":"%d/%d","authorId":"u"}`, worker, round)
				if worker < len(fields) {
					body = fmt.Sprintf(`{"%s":"%d"}`, fields[worker], round)
				}
				a, err := s.send(s.Context(), "PUT", activity, body)
				if err != nil || a.status != 200 {
					t.Errorf("%s: %d %s %v", body, a.status, a.raw, err)
					return
				}
				if worker < len(fields) && a.body[fields[worker]] != fmt.Sprint(round) {
					t.Errorf("%s: response %s", body, a.raw)
				}
			}
		})
	}
	wg.Wait()
	got := s.do(200, "GET", activity, "").body
	for _, field := range fields {
		same(t, fmt.Sprint(rounds-1), got[field].(string))
	}
	same(t, (20-len(fields))*rounds, queryOne[int](s, "select count(distinct notes) from activity_updates"))
}

// The default of updateType compares with the value that the change replaces, also if changes run concurrently.
func TestConcurrentOldValues(t *testing.T) {
	s := newServer(t)
	pgtest.Exec(t, s.conn, `
create table changes (old text, new text);
create function record() returns trigger language plpgsql as $$
begin
    insert into changes values (old.status, new.status);
    return null;
end $$;
create trigger record after update on activities for each row execute function record()`)
	activity := s.create(plain)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for round := range 10 {
				body := fmt.Sprintf(`{"status":"%d","notes":"n","authorId":"u"}`, round%2)
				if a, err := s.send(s.Context(), "PUT", activity, body); err != nil || a.status != 200 {
					t.Errorf("%s: %d %s %v", body, a.status, a.raw, err)
				}
			}
		})
	}
	wg.Wait()
	changes := queryOne[int](s, "select count(*) from changes where old <> new")
	t.Logf("%d of 100 requests changed the status", changes)
	same(t, changes, queryOne[int](s, "select count(*) from activity_updates where update_type = 'status'"))
	same(t, 100-changes, queryOne[int](s, "select count(*) from activity_updates where update_type = 'general'"))
	same(t, 0, queryOne[int](s, "select count(*) from changes where old = new"))
}

// Another client, in psql, changes the activity while a request waits for its lock.
func TestChangeAfterWaiting(t *testing.T) {
	for body, want := range map[string]map[string]any{
		`{"status":"done","notes":"n","authorId":"u"}`:  {"status": "done", "assignedTo": "p", "latestUpdate": update("n", "u", "general")},
		`{"assignedTo":"p","notes":"n","authorId":"u"}`: {"status": "done", "assignedTo": "p", "latestUpdate": update("n", "u", "general")},
		`{"assignedTo":null,"status":"x"}`:              {"status": "x", "assignedTo": nil, "latestUpdate": nil},
		`{"assignedTo":"q","category":"x"}`:             {"status": "done", "assignedTo": "q", "latestUpdate": nil},
	} {
		t.Run(body, func(t *testing.T) {
			s := newServer(t)
			activity := s.create(plain)
			psql := s.lock(activity)
			pgtest.Exec(t, psql, "update activities set status = 'done'; insert into assignments select id, 'p' from activities")
			answers := s.goDo("PUT", activity, body)
			s.waitBlocked(1)
			pgtest.Exec(t, psql, "commit")
			a := <-answers
			for field, value := range want {
				same(t, value, a.body[field])
			}
		})
	}
}

func TestWriteAfterWaitingForDelete(t *testing.T) {
	s := newServer(t)
	for method, tt := range map[string]struct{ path, body string }{
		"PUT": {"", `{"assignedTo":"a"}`}, "POST": {"/notes", `{"notes":"n","authorId":"u"}`}, "DELETE": {"", ""},
	} {
		activity := s.create(plain)
		psql := s.lock(activity)
		pgtest.Exec(t, psql, "delete from activities where id = $1", strings.TrimPrefix(activity, path+"/"))
		answers := s.goDo(method, activity+tt.path, tt.body)
		s.waitBlocked(1)
		pgtest.Exec(t, psql, "commit")
		if a := <-answers; a.status != 404 {
			t.Errorf("%s: %d %s", method, a.status, a.raw)
		}
	}
}

// A request that waits for a lock must not fail because the database's default isolation is stricter.
func TestDefaultIsolation(t *testing.T) {
	databaseURL := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, "do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$")
	s := newServerOn(t, databaseURL)
	activity := s.create(plain)
	psql := s.lock(activity)
	pgtest.Exec(t, psql, "update activities set status = 'done'")
	answers := s.goDo("PUT", activity, `{"location":"x"}`)
	s.waitBlocked(1)
	if _, err := psql.Exec(context.Background(), "commit"); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.status != 200 || a.body["status"] != "done" {
		t.Errorf("response %d %s", a.status, a.raw)
	}
}
