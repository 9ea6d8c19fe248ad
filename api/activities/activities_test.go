package activities_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestCreate(t *testing.T) {
	s := newServer(t)
	for name, tt := range map[string]struct {
		body           string
		status, worker any
	}{
		"minimal":    {plain, "open", nil},
		"assigned":   {plain[:len(plain)-1] + `,"assignedTo":"w"}`, "open", "w"},
		"unassigned": {plain[:len(plain)-1] + `,"assignedTo":null}`, "open", nil},
		"maximal":    {plain[:len(plain)-1] + `,"status":"done","assignedTo":"w 😀"}`, "done", "w 😀"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(201, "POST", path, tt.body, "Content-Type", "application/json; charset=utf-8")
			id := queryOne[string](s, "select id::text from activities order by created_at desc limit 1")
			const iso = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`
			at := queryOne[string](s, "select to_char(created_at at time zone 'utc', "+iso+") from activities where id = $1", id)
			same(t, map[string]any{
				"id": id, "category": "c", "subcategory": "s", "location": "l", "reporter": "r",
				"status": tt.status, "assignedTo": tt.worker, "latestUpdate": nil,
				"createdAt": at, "updatedAt": at, "timestamp": at,
			}, a.body)
			same(t, path+"/"+id, a.header.Get("Location"))
			same(t, "no-store", a.header.Get("Cache-Control"))
			same(t, a.body, s.do(200, "GET", path+"/"+id, "").body)
		})
	}
}

func TestChange(t *testing.T) {
	s := newServer(t)
	for body, want := range map[string]map[string]any{
		`{"status":"done"}`:                             {"status": "done"},
		`{"status":"open"}`:                             {},
		`{"category":"x","location":"y"}`:               {"category": "x", "location": "y"},
		`{"assignedTo":"b"}`:                            {"assignedTo": "b"},
		`{"assignedTo":"a"}`:                            {},
		`{"assignedTo":null}`:                           {"assignedTo": nil},
		`{"status":"done","updateType":"status"}`:       {"status": "done"},
		`{"notes":"n","authorId":"u"}`:                  {"latestUpdate": update("n", "u", "general")},
		`{"notes":"n","authorId":"u","status":"open"}`:  {"latestUpdate": update("n", "u", "general")},
		`{"notes":"n","authorId":"u","assignedTo":"a"}`: {"latestUpdate": update("n", "u", "general")},
		`{"notes":"n","authorId":"u","category":"x"}`: {
			"category": "x", "latestUpdate": update("n", "u", "general"),
		},
		`{"notes":"n","authorId":"u","assignedTo":"b"}`: {
			"assignedTo": "b", "latestUpdate": update("n", "u", "assignment"),
		},
		`{"notes":"n","authorId":"u","assignedTo":null}`: {
			"assignedTo": nil, "latestUpdate": update("n", "u", "assignment"),
		},
		`{"notes":"n","authorId":"u","assignedTo":null,"status":"done"}`: {
			"assignedTo": nil, "status": "done", "latestUpdate": update("n", "u", "status"),
		},
		`{"notes":"n","authorId":"u","status":"done","updateType":"general"}`: {
			"status": "done", "latestUpdate": update("n", "u", "general"),
		},
	} {
		t.Run(body, func(t *testing.T) {
			activity := s.create(plain[:len(plain)-1] + `,"assignedTo":"a"}`)
			expected := s.do(200, "GET", activity, "").body
			for field, value := range want {
				expected[field] = value
			}
			got := s.do(200, "PUT", activity, body)
			expected["updatedAt"] = got.body["updatedAt"]
			same(t, expected, got.body)
			same(t, expected, s.do(200, "GET", activity, "").body)
		})
	}
}

func update(notes, author, kind string) map[string]any {
	return map[string]any{"notes": notes, "authorId": author, "updateType": kind}
}

func TestUpdatedAt(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	stamp := func() string {
		return queryOne[string](s, "select updated_at::text from activities")
	}
	before := stamp()
	s.do(200, "PUT", activity, `{"status":"open","category":"c"}`)
	if stamp() != before {
		t.Error("updated_at moved although no value changed")
	}
	s.do(200, "PUT", activity, `{"status":"done","category":"c"}`)
	if stamp() == before {
		t.Error("a change did not move updated_at")
	}
}

func TestAssignment(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	by := func() string {
		return queryOne[string](s, "select concat(assignee_id, ' by ', assigned_by) from assignments")
	}
	same(t, "a", s.do(200, "PUT", activity+"/assignment", `{"assigneeId":"a","assignedBy":"x"}`).body["assignedTo"])
	same(t, "a by x", by())
	s.do(200, "PUT", activity+"/assignment", `{"assigneeId":"a","assignedBy":"y"}`)
	same(t, "a by x", by())
	same(t, "b", s.do(200, "PUT", activity+"/assignment", `{"assigneeId":"b"}`).body["assignedTo"])
	same(t, "b by ", by())
	s.do(200, "PUT", activity, `{"assignedTo":"c","authorId":"z"}`)
	same(t, "c by z", by())
	same(t, "", s.do(204, "DELETE", activity+"/assignment", "").raw)
	same(t, nil, s.do(200, "GET", activity, "").body["assignedTo"])
	a := s.do(404, "DELETE", activity+"/assignment", "")
	same(t, "this activity is not assigned to anyone", a.body["detail"])
}

func TestDelete(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain[:len(plain)-1] + `,"assignedTo":"a"}`)
	s.do(201, "POST", activity+"/notes", `{"notes":"n","authorId":"u"}`)
	same(t, "", s.do(204, "DELETE", activity, "").raw)
	s.do(404, "DELETE", activity, "")
	s.do(404, "GET", activity, "")
	same(t, 0, queryOne[int](s, "select count(*)::int from activity_updates"))
}

func TestHead(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	for _, p := range []string{path, activity, activity + "/notes"} {
		a := s.do(200, "HEAD", p, "")
		if a.raw != "" || a.header.Get("Pgherald-Cursor") == "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("HEAD %s: %q, %v", p, a.raw, a.header)
		}
	}
}

// The API works through a pooler that keeps no prepared statements.
func TestQueryModes(t *testing.T) {
	for _, mode := range []string{"simple_protocol", "exec", "cache_describe", "describe_exec"} {
		t.Run(mode, func(t *testing.T) {
			s := newServerOn(t, pgtest.NewDatabase(t)+"&default_query_exec_mode="+mode)
			activity := s.create(plain[:len(plain)-1] + `,"assignedTo":"it's"}`)
			s.create(plain)
			s.do(200, "PUT", activity, `{"status":"o'k","assignedTo":null,"notes":"n\\'","authorId":"u"}`)
			s.do(201, "POST", activity+"/notes", `{"notes":"n","authorId":"u"}`)
			s.do(200, "GET", activity+"/notes", "")
			next := s.do(200, "GET", path+"?limit=1&assignedTo=&assignedTo=x&status=open&status=o%27k&q=C", "").body["next"].(string)
			page := s.do(200, "GET", path+"?status=o%27k&limit=1&after="+next, "")
			same(t, activity, path+"/"+page.body["activities"].([]any)[0].(map[string]any)["id"].(string))
			s.do(204, "DELETE", activity, "")
		})
	}
}
