package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// everyPayload writes rows such that each field of each payload takes each type of value that it can have.
const everyPayload = `
	insert into public.activities (id, category, subcategory, location, reporter)
	values ('00000000-0000-0000-0000-000000000001', 'cleaning', 'floor', 'hall', 'ann');
	update public.activities set location = 'attic';
	update public.activities set status = 'done';
	insert into public.assignments (activity_id, assignee_id)
	values ('00000000-0000-0000-0000-000000000001', 'bob');
	update public.assignments set assignee_id = 'eve';
	insert into public.activity_updates (activity_id, author_id, notes, update_type)
	values ('00000000-0000-0000-0000-000000000001', 'ann', 'wet', 'general');
	with a as (
		insert into public.activities (id, category, subcategory, location, reporter)
		values ('00000000-0000-0000-0000-000000000002', 'repair', 'lamp', 'attic', 'bob')
		returning id
	)
	insert into public.assignments (activity_id, assignee_id) select id, 'bob' from a;
	delete from public.assignments;
	delete from public.activities;
	truncate public.assignments;`

// TestPayloadsHaveTheClientsTypes writes rows and compares each payload with the client's
// TypeScript interface. A payload must have no unknown field, and the interface must declare no
// type that no payload has.
func TestPayloadsHaveTheClientsTypes(t *testing.T) {
	ts := readEventTypes(t)
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, everyPayload, pgx.QueryExecModeSimpleProtocol)
	seen := make(map[string]bool)
	rows, err := conn.Query(t.Context(), `select type, data::text from pgherald.events order by id`)
	if err != nil {
		t.Fatal(err)
	}
	known := ts.events("LogEvents", "ActivityEvents")
	var kind, data string
	if _, err := pgx.ForEachRow(rows, []any{&kind, &data}, func() error {
		var value any
		if err := json.Unmarshal([]byte(data), &value); err != nil {
			return err
		}
		for _, problem := range ts.check(known[kind], value, seen) {
			t.Errorf("%s %s: %s", kind, data, problem)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	delete(known, "presence_updated") // no table writes it
	delete(known, "collection_reset") // comes when something fails
	for _, name := range known {
		for _, alternative := range ts.alternatives(name) {
			if !seen[alternative] {
				t.Errorf("the client declares %s, which no payload has", alternative)
			}
		}
	}
}

// all returns the members of an interface, with the inherited ones. The names of optional members end in "?".
func (ts types) all(name string) map[string]string {
	out := maps.Clone(ts.members[name])
	if parent := ts.extends[name]; parent != "" {
		maps.Copy(out, ts.all(parent))
	}
	return out
}

// check compares a value with an interface and returns the differences. It adds the alternatives that it found to seen.
func (ts types) check(name string, value any, seen map[string]bool) (problems []string) {
	object, ok := value.(map[string]any)
	if !ok || ts.members[name] == nil {
		return []string{fmt.Sprintf("is %T, not a known interface (%q)", value, name)}
	}
	known := make(map[string]bool)
	for member, union := range ts.all(name) {
		field, optional := strings.CutSuffix(member, "?")
		known[field] = true
		value, present := object[field]
		if !present {
			seen[name+"."+field+" absent"] = true
			if !optional {
				problems = append(problems, field+" is absent")
			}
			continue
		}
		alternative := ts.matching(union, value, seen)
		if alternative == "" {
			problems = append(problems, fmt.Sprintf("%s is %v, not %s", field, value, union))
		}
		seen[name+"."+field+" "+alternative] = true
	}
	for field := range object {
		if !known[field] {
			problems = append(problems, field+" is unknown")
		}
	}
	return problems
}

// matching returns the alternative of a union that a value has, or "" if it has none.
func (ts types) matching(union string, value any, seen map[string]bool) string {
	for alternative := range strings.SplitSeq(union, " | ") {
		var matches bool
		switch alternative {
		case "string":
			_, matches = value.(string)
		case "number":
			_, matches = value.(float64)
		case "boolean":
			_, matches = value.(bool)
		case "null":
			matches = value == nil
		default:
			text, isText := value.(string)
			matches = isText && alternative == fmt.Sprintf("%q", text)
			if _, isObject := value.(map[string]any); isObject {
				matches = len(ts.check(alternative, value, seen)) == 0
			}
		}
		if matches {
			return alternative
		}
	}
	return ""
}

// alternatives returns all alternatives of an interface that check can add to seen, sorted.
func (ts types) alternatives(name string) (out []string) {
	for member, union := range ts.all(name) {
		field, optional := strings.CutSuffix(member, "?")
		if optional {
			out = append(out, name+"."+field+" absent")
		}
		for alternative := range strings.SplitSeq(union, " | ") {
			out = append(out, name+"."+field+" "+alternative)
		}
	}
	slices.Sort(out)
	return out
}
