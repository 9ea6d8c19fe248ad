package triggers_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/triggers"
)

// workload is a testBed that shortens the events of the example.
type workload struct{ *testBed }

const (
	one = "00000000-0000-0000-0000-000000000001"
	two = "00000000-0000-0000-0000-000000000002"
)

func newWorkload(t *testing.T) workload {
	t.Helper()
	b := open(t, "")
	b.apply(triggers.Workload())
	w := workload{b}
	w.exec(`insert into public.activities (id, category, subcategory, location, reporter)
		values ($1, 'cleaning', 'floor', 'hall', 'ann'), ($2, 'repair', 'lamp', 'attic', 'bob')`, one, two)
	w.events()
	return w
}

// short runs a statement and compares its events in short form: type, the last digit of the activity, and
// the fields that describe the change.
func (w workload) short(sql string, want ...string) {
	w.t.Helper()
	w.exec(sql)
	var got []string
	for _, line := range w.events() {
		parts := strings.SplitN(line, " ", 3)
		var p struct {
			ID           string
			Status       *string
			AssignedTo   *string
			UpdateType   *string
			LatestUpdate *struct{ Notes string }
			Old          *string `json:"oldAssigneeId"`
			New          *string `json:"newAssigneeId"`
		}
		if err := json.Unmarshal([]byte(parts[2]), &p); err != nil {
			w.t.Fatalf("%v in %s", err, line)
		}
		if p.ID != parts[1] {
			w.t.Errorf("the key is not the activity's id: %s", line)
		}
		text := parts[0] + " " + p.ID[len(p.ID)-1:] + show("", p.UpdateType)
		text += show("status=", p.Status) + show("assigned=", p.AssignedTo) + show("old=", p.Old) + show("new=", p.New)
		if p.LatestUpdate != nil {
			text += " notes=" + p.LatestUpdate.Notes
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("events of %s (-want +got):\n%s", sql, diff)
	}
}

func show(name string, value *string) string {
	if value == nil {
		return ""
	}
	return " " + name + *value
}

// The payloads have the fields of the original design document, in its order.
func TestWorkloadPayloads(t *testing.T) {
	w := newWorkload(t)
	const base = `{"id":"` + one + `","category":"cleaning","subcategory":"floor","location":"hall","status":"open","reporter":"ann",`
	const stamp = `"timestamp":"T"}`
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{
			`update public.activities set category = 'cleaning', location = 'attic' where id = '` + one + `';
			update public.activities set location = 'hall' where id = '` + one + `'`,
			[]string{
				`activity_updated ` + one + ` ` + strings.Replace(base, "hall", "attic", 1) + `"assignedTo":null,"updateType":"general","latestUpdate":null,` + stamp,
				`activity_updated ` + one + ` ` + base + `"assignedTo":null,"updateType":"general","latestUpdate":null,` + stamp,
			},
		},
		{
			`insert into public.assignments (activity_id, assignee_id) values ('` + one + `', 'cid')`,
			[]string{
				`assignment_changed ` + one + ` ` + base + `"assignedTo":"cid","newAssigneeId":"cid",` + stamp,
				`activity_updated ` + one + ` ` + base + `"assignedTo":"cid","updateType":"assignment","latestUpdate":null,` + stamp,
			},
		},
		{
			`insert into public.activity_updates (activity_id, author_id, notes) values ('` + one + `', 'dan', 'a "note"')`,
			[]string{
				`activity_updated ` + one + ` ` + base + `"assignedTo":"cid","updateType":"general",` +
					`"latestUpdate":{"notes" : "a \"note\"", "authorId" : "dan", "updateType" : "general"},` + stamp,
			},
		},
		{
			`delete from public.activities where id = '` + one + `'`,
			[]string{`activity_deleted ` + one + ` {"id":"` + one + `",` + stamp},
		},
		{
			`insert into public.activities (id, category, subcategory, location, reporter, status)
			values ('` + one + `', 'cleaning', 'floor', 'hall', 'ann', 'open')`,
			[]string{`activity_created ` + one + ` ` + base + `"assignedTo":null,` + stamp},
		},
	} {
		w.exec(step.sql)
		stamped := regexp.MustCompile(`"timestamp":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ"`)
		var got []string
		for _, line := range w.events() {
			got = append(got, stamped.ReplaceAllString(line, `"timestamp":"T"`))
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("events of %s (-want +got):\n%s", step.sql, diff)
		}
	}
}

func TestWorkloadActivities(t *testing.T) {
	w := newWorkload(t)
	w.short(`update public.activities set status = 'done' where id = '`+one+`'`,
		`activity_updated 1 status status=done`)
	w.short(`update public.activities set status = 'done'`, // activity 1 is already done
		`activity_updated 2 status status=done`)
	w.short(`update public.activities set reporter = reporter`)
	w.short(`update public.activities set reporter = 'eve' where id = '`+two+`'`,
		`activity_updated 2 general status=done`)
	w.short(`delete from public.activities where id = '`+two+`'`, `activity_deleted 2`)
}

func TestWorkloadAssignments(t *testing.T) {
	w := newWorkload(t)
	w.short(`insert into public.assignments (activity_id, assignee_id) values ('`+one+`', 'cid')`,
		`assignment_changed 1 status=open assigned=cid new=cid`,
		`activity_updated 1 assignment status=open assigned=cid`)
	w.short(`update public.assignments set assignee_id = 'dan'`,
		`assignment_changed 1 status=open assigned=dan old=cid new=dan`,
		`activity_updated 1 assignment status=open assigned=dan`)
	w.short(`update public.assignments set assigned_by = 'boss'`,
		`activity_updated 1 general status=open assigned=dan`)
	w.short(`update public.assignments set assigned_by = 'boss'`)
	w.short(`update public.assignments set activity_id = '`+two+`'`,
		`assignment_changed 1 status=open old=dan`,
		`activity_updated 1 assignment status=open`,
		`assignment_changed 2 status=open assigned=dan new=dan`,
		`activity_updated 2 assignment status=open assigned=dan`)
	w.short(`delete from public.assignments`,
		`assignment_changed 2 status=open old=dan`,
		`activity_updated 2 assignment status=open`)
}

func TestWorkloadNotes(t *testing.T) {
	w := newWorkload(t)
	w.short(`insert into public.activity_updates (activity_id, author_id, update_type, notes)
			values ('`+one+`', 'ann', 'general', 'first'), ('`+one+`', 'ann', 'status', 'second')`,
		`activity_updated 1 general status=open notes=second`,
		`activity_updated 1 status status=open notes=second`)
	w.short(`update public.activity_updates set notes = 'edited' where notes = 'second'`,
		`activity_updated 1 general status=open notes=edited`)
	w.short(`delete from public.activity_updates where notes = 'edited'`,
		`activity_updated 1 general status=open notes=first`)
}

// The API writes one statement with CTEs: every payload shows the state after the statement.
func TestWorkloadOneStatement(t *testing.T) {
	w := newWorkload(t)
	const three = "00000000-0000-0000-0000-000000000003"
	w.exec(fmt.Sprintf(`
		with a as (
			insert into public.activities (id, category, subcategory, location, reporter)
			values ('%s', 'x', 'y', 'z', 'ann')
			returning id
		)
		insert into public.assignments (activity_id, assignee_id) select id, 'cid' from a`, three))
	for _, line := range w.events() {
		contains(t, line, three, `"assignedTo":"cid"`)
	}
	w.exec(fmt.Sprintf(`
		with a as (
			update public.activities set status = 'done' where id = '%[1]s' returning id
		), s as (
			update public.assignments set assignee_id = 'dan' where activity_id = '%[1]s'
		)
		insert into public.activity_updates (activity_id, author_id, update_type, notes)
		select id, 'ann', 'status', 'finished' from a`, three))
	events := w.events()
	if len(events) != 4 {
		t.Errorf("events: %q", events)
	}
	for _, line := range events {
		contains(t, line, `"status":"done"`, `"assignedTo":"dan"`)
		if strings.HasPrefix(line, "activity_updated") {
			contains(t, line, `"notes" : "finished"`)
		}
	}
}

// Rows that a cascade deletes with their activity give no events of their own.
func TestWorkloadCascades(t *testing.T) {
	w := newWorkload(t)
	fill := `
		insert into public.assignments (activity_id, assignee_id) select id, 'cid' from public.activities;
		insert into public.activity_updates (activity_id, author_id, notes) select id, 'ann', 'x' from public.activities`
	w.exec(fill)
	w.events()
	w.short(`delete from public.activities where id = '`+one+`'`, `activity_deleted 1`)
	w.exec(`truncate public.activities cascade`)
	var got []string
	for _, line := range w.events() {
		got = append(got, strings.SplitN(line, `,"timestamp"`, 2)[0])
	}
	want := []string{
		`activity_deleted ` + two + ` {"id":"` + two + `"`,
		`table_truncated - {"table":"public.assignments"}`,
		`table_truncated - {"table":"public.activity_updates"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Rows of the activities show the assignments, whose events have their types.
func TestOtherTablesOfACollection(t *testing.T) {
	w := newWorkload(t)
	sources, err := triggers.Collections(t.Context(), w.conn, triggers.Workload())
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 1 || !slices.Contains(sources[0].Others, "public.assignments") || slices.Contains(sources[0].Others, "public.activities") {
		t.Errorf("got %+v", sources)
	}
}
