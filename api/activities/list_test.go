package activities_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// column returns one member of every object in a list.
func column(a answer, list, name string) []string {
	values := []string{}
	for _, v := range a.body[list].([]any) {
		values = append(values, fmt.Sprint(v.(map[string]any)[name]))
	}
	return values
}

// pages reads a list page by page, calls between after each page, and returns the ids in it.
func (s *server) pages(first, list string, limit int, between func()) []string {
	s.Helper()
	ids, after := []string{}, ""
	for {
		page := s.do(200, "GET", fmt.Sprintf("%s?limit=%d%s", first, limit, after), "")
		got := column(page, list, "id")
		if ids = append(ids, got...); len(ids) > 1000 {
			s.Fatal("the list does not end")
		}
		if page.body["next"] == nil {
			return ids
		}
		if len(got) != limit {
			s.Fatalf("a page before the last has %d rows, want %d", len(got), limit)
		}
		after = "&after=" + url.QueryEscape(page.body["next"].(string))
		between()
	}
}

func TestEmptyList(t *testing.T) {
	a := newServer(t).do(200, "GET", path, "")
	if a.body["next"] != nil || !strings.HasPrefix(a.raw, `{"activities":[],`) {
		t.Error(a.raw)
	}
	same(t, a.header.Get("Pgherald-Cursor"), a.body["cursor"].(string))
	same(t, "no-store", a.header.Get("Cache-Control"))
}

// Pages of any size return every row once, newest first: rows with equal times, rows with extreme times, and while other
// rows are inserted and deleted between two pages.
func TestPagesReturnEachRowOnce(t *testing.T) {
	s := newServer(t)
	pgtest.Exec(t, s.conn, `
insert into activities (category, subcategory, location, reporter, created_at)
select 'c', 's', 'l', 'r', case i % 23
    when 0 then '4713-01-01 BC'
    when 1 then '294276-12-31 23:59:59.999999'
    else '2026-01-01'::timestamptz + (i % 7) * interval '1 microsecond' end
from generate_series(1, 200) as i`)
	want := queryOne[[]string](s, "select array_agg(id::text order by created_at desc, id desc) from activities")
	for _, limit := range []int{1, 2, 7, 50, 199, 200, 201, 500} {
		same(t, want, s.pages(path, "activities", limit, func() {}))
	}
	same(t, want[:50], column(s.do(200, "GET", path, ""), "activities", "id"))

	got := s.pages(path, "activities", 10, func() {
		pgtest.Exec(t, s.conn, "insert into activities (category, subcategory, location, reporter, created_at) values ('c', 's', 'l', 'new', '294276-12-31 23:59:59.999999')")
		pgtest.Exec(t, s.conn, "delete from activities where id = (select id from activities where reporter = 'r' order by created_at desc, id desc limit 1)")
	})
	isNew := queryOne[[]string](s, "select array_agg(id::text) from activities where reporter = 'new'")
	got = slices.DeleteFunc(got, func(id string) bool { return slices.Contains(isNew, id) })
	same(t, want, got) // deleted rows were read before
}

func TestExtremePositions(t *testing.T) {
	s := newServer(t)
	for _, seconds := range []int64{-210_866_803_200, 9_224_318_015_999, -62_135_596_801, 0} {
		b := make([]byte, 28)
		for i := range 8 {
			b[i] = byte(seconds >> (56 - 8*i))
		}
		s.do(200, "GET", path+"?after="+base64.RawURLEncoding.EncodeToString(b), "")
	}
}

func TestFilters(t *testing.T) {
	s := newServer(t)
	pgtest.Exec(t, s.conn, `
insert into activities (category, subcategory, location, status, reporter, created_at) values
    ('Repair', 'Pump', 'Hall 1', 'open', 'ann', '2026-01-05'),
    ('Repair', 'Door', 'Hall 2', 'done', 'bob', '2026-01-04'),
    ('Inspect', 'Pump', '100% wet', 'open', 'c_d', '2026-01-03'),
    ('Inspect', 'Ärger', 'back\slash', 'paused', 'ann', '2026-01-02'),
    ('x''); drop', 'y', 'z', 'open', 'q', '2026-01-01');
insert into assignments select id, 'w1' from activities where reporter = 'ann';
insert into assignments select id, 'w2' from activities where reporter = 'bob';
insert into activity_updates (activity_id, author_id, notes)
select id, 'u', 'n' || i from activities, generate_series(1, 3) as i`)
	locations := func(query string) string {
		s.Helper()
		return strings.Join(column(s.do(200, "GET", path+"?"+query, ""), "activities", "location"), "|")
	}
	for query, want := range map[string]string{
		"":                                 `Hall 1|Hall 2|100% wet|back\slash|z`,
		"status=open":                      "Hall 1|100% wet|z",
		"status=done&status=paused":        `Hall 2|back\slash`,
		"status=Open":                      "",
		"category=Repair&subcategory=Pump": "Hall 1",
		"location=Hall+1&location=Hall+2":  "Hall 1|Hall 2",
		"reporter=ann":                     `Hall 1|back\slash`,
		"assignedTo=w1":                    `Hall 1|back\slash`,
		"assignedTo=":                      "100% wet|z",
		"assignedTo=&assignedTo=w2":        "Hall 2|100% wet|z",
		"assignedTo=w9":                    "",
		"q=PUMP":                           "Hall 1|100% wet",
		"q=hall":                           "Hall 1|Hall 2",
		"q=%25":                            "100% wet",
		"q=_":                              "100% wet",
		`q=%5C`:                            `back\slash`,
		"q=ANN&status=paused":              `back\slash`,
		"q=door&q=wet":                     "Hall 2|100% wet",
		"q=":                               `Hall 1|Hall 2|100% wet|back\slash|z`,
		"category=" + url.QueryEscape("x'); drop"): "z",
		"q=" + url.QueryEscape("'); drop"):         "z",
		"q=ann&reporter=ann&status=open&category=Repair&subcategory=Pump&location=Hall+1&assignedTo=w1&limit=1": "Hall 1",
	} {
		if got := locations(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	latest := s.do(200, "GET", path+"?limit=1", "").body["activities"].([]any)[0].(map[string]any)["latestUpdate"]
	same(t, update("n3", "u", "general"), latest.(map[string]any))
}

func TestNotes(t *testing.T) {
	s := newServer(t)
	activity, other := s.create(plain), s.create(plain)
	same(t, []string{}, column(s.do(200, "GET", activity+"/notes", ""), "notes", "id"))
	first := s.do(201, "POST", activity+"/notes", `{"notes":"line 1\nline 2 😀","authorId":"u","updateType":"status"}`).body
	same(t, map[string]any{
		"id": first["id"], "activityId": strings.TrimPrefix(activity, path+"/"), "notes": "line 1\nline 2 😀",
		"authorId": "u", "updateType": "status", "createdAt": first["createdAt"],
	}, first)
	s.do(201, "POST", other+"/notes", `{"notes":"other","authorId":"u"}`)
	pgtest.Exec(t, s.conn, "insert into activity_updates (activity_id, author_id, notes) select id, 'v', 'n' || i from activities, generate_series(1, 9) as i")
	want := []string{"n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "line 1\nline 2 😀"}
	page := s.do(200, "GET", activity+"/notes", "")
	same(t, want, column(page, "notes", "notes"))
	same(t, first, page.body["notes"].([]any)[9].(map[string]any))
	same(t, page.header.Get("Pgherald-Cursor"), page.body["cursor"].(string))
	for _, limit := range []int{1, 3, 9, 10, 11} {
		same(t, column(page, "notes", "id"), s.pages(activity+"/notes", "notes", limit, func() {}))
	}
}

// writeSlowly inserts an activity with the id of its transaction as reporter. The pause lets later transactions end first.
const writeSlowly = `
begin;
insert into activities (category, subcategory, location, reporter)
values ('c', 's', 'l', pg_current_xact_id()::text);
select pg_sleep(random() * 0.005);
`

// The cursor of a list has seen exactly the transactions whose activities the list shows, while transactions commit and roll
// back in any order.
func TestCursorIsTheSnapshotOfTheList(t *testing.T) {
	s := newServer(t)
	var writers sync.WaitGroup
	for range 6 {
		conn := pgtest.Connect(t, s.conn.Config().ConnString())
		writers.Go(func() {
			for range 30 {
				end := "commit"
				if rand.IntN(4) == 0 {
					end = "rollback"
				}
				if _, err := conn.Exec(s.Context(), writeSlowly+end); err != nil {
					t.Error(err)
				}
			}
		})
	}
	type shown struct {
		cursor stream.Cursor
		xids   []string
	}
	var lists []shown
	for range 60 {
		page := s.do(200, "GET", path+"?limit=500", "")
		cursor, err := stream.ParseCursor(page.body["cursor"].(string))
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, shown{cursor, column(page, "activities", "reporter")})
	}
	writers.Wait()
	for i, xid := range queryOne[[]uint64](s, "select array_agg(reporter::bigint order by reporter::bigint) from activities") {
		for _, l := range lists {
			if listed := slices.Contains(l.xids, fmt.Sprint(xid)); listed != l.cursor.Seen(xid) {
				t.Fatalf("transaction %d (%d): listed %v, seen by %v %v", xid, i, listed, l.cursor, l.cursor.Seen(xid))
			}
		}
	}
}

// The cursor of one activity has seen exactly the changes that the activity shows.
func TestCursorOfOneActivity(t *testing.T) {
	s := newServer(t)
	activity := s.create(plain)
	psql := s.lock(activity)
	pgtest.Exec(t, psql, "update activities set status = 'done'")
	var xid uint64
	if err := psql.QueryRow(t.Context(), "select pg_current_xact_id()::text::bigint").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"open", "done"} {
		a := s.do(200, "GET", activity, "")
		cursor, err := stream.ParseCursor(a.header.Get("Pgherald-Cursor"))
		if err != nil {
			t.Fatal(err)
		}
		if a.body["status"] != want || cursor.Seen(xid) != (want == "done") {
			t.Errorf("status %v, but the cursor has seen the change: %v", a.body["status"], cursor.Seen(xid))
		}
		pgtest.Exec(t, psql, "commit")
	}
}
