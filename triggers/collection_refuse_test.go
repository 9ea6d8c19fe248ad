package triggers_test

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

// TestParseRefusesCollections has a mistake of each kind that the spec alone shows, with its line and what to do.
func TestParseRefusesCollections(t *testing.T) {
	t.Parallel()
	const on = "on: { insert: c, update: u, delete: d }"
	tests := []struct{ spec, want string }{
		{"collection: Orders", "collection must be a lower-case letter"},
		{"collection: a:b", "collection must be a lower-case letter"},
		{"filter: [a]", "add collection with a name"},
		{"row: [a]", "add collection with a name"},
		{"collection: c, filter: [a, a]", `filter has the field "a" twice`},
		{`collection: c, filter: ["*", a]`, "stands for all fields"},
		{"collection: c, filter: { a: b }", `filter must be "*"`},
		{"collection: c, row: []", "row is empty"},
		{"collection: c, on: { insert: c, update: u }", "deletes give no event"},
		{"collection: c, on: { insert: [a, b], update: u, delete: d }", "an insert gives 2 events: keep one"},
		{"collection: c, on: { insert: c, update: c, delete: d }", "have the same type"},
		{"collection: c, on: { insert: { type: c, when: n.a }, update: u, delete: d }", "remove it"},
		{"collection: c, on: { insert: c, update: { type: u, key: n.a }, delete: d }", "under key of the table"},
		{"collection: c, join: public.b as b on b.id = n.b, " + on, "use left_join"},
		{"collection: c, left_join: public.b as b on b.id = o.b, " + on, "use n"},
		{"collection: c, audience: o.a, " + on, "leave it out"},
		{"collection: c, audience: n.a, on: { insert: { type: c, audience: n.b }, update: u, delete: d }", "give the table one audience"},
		{"collection: c, payload: { a: n.a, b: o.b }, " + on, "looks at o"},
		{"collection: c, payload: { a: n.a }, on: { insert: c, update: { type: u, payload: { a: n.b } }, delete: d }", "under row"},
		{"collection: c, row: [a], on: { insert: { type: c, payload: { a: n.a } }, update: { type: u, payload: { a: n.b } }, delete: d }", "must be the same"},
		{"collection: c, row: [b], payload: { a: n.a, b: o.b }, " + on, "looks at o"},
		{"collection: c, row: [x], payload: { a: n.a }, " + on, `field "x" must be the same`},
		{"collection: c, filter: [x], payload: { a: n.a }, " + on, `no field "x"`},
		{"collection: c, filter: [a], payload: { a: n.a + 1 }, " + on, "only columns can be filtered"},
		{"collection: c, filter: [a], payload: { a: o.a }, row: [a], " + on, "looks at o"},
		{"collection: c, row: [a], filter: [b], payload: { a: n.a, b: n.b }, " + on, "not in row"},
	}
	for _, tt := range tests {
		_, err := triggers.Parse([]byte("tables:\n  - { name: public.a }\n  - { name: public.t, " + tt.spec + " }\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "3:") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got the error %v, want one at line 3 with %q", tt.spec, err, tt.want)
		}
	}
	for spec, want := range map[string]string{
		"tables: [{ name: public.a, collection: c }, { name: public.b, collection: c }]": "have the same collection c",
		`tables: [{ name: "public.*", collection: c }]`:                                  "must hold {table}",
		`tables: [{ name: "public.*", collection: null, filter: [a] }]`:                  "add collection",
	} {
		if _, err := triggers.Parse([]byte(spec)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error %v, want one with %q", spec, err, want)
		}
	}
}

// TestApplyRefusesCollections has a mistake of each kind that the catalog shows.
func TestApplyRefusesCollections(t *testing.T) {
	t.Parallel()
	b := open(t, everyFilter+`;
		create table public.keyless (a int);
		create table public.others (id int primary key)`)
	for column, reason := range map[string]string{
		"fixed": "char(n)", "real8": "float", "doc": "jsonb", "list": "array", "nocase": "collation", "nothing": `no field "nothing"`,
	} {
		b.refuses("tables: [{ name: public.things, collection: things, filter: ["+column+"] }]", "public.things", "collection things", reason)
	}
	b.refuses("tables: [{ name: public.keyless, collection: keyless }]", "primary key")
	b.refuses("tables: [{ name: public.things, collection: things, row: [nothing] }]", "no column nothing")
	b.refuses(`
tables:
  - { name: public.things, collection: things }
  - { name: public.others, on: { insert: things_updated } }
`, "public.others", "things_updated", "whose rows are all its columns")
	b.refuses(`
tables:
  - { name: public.things, collection: things, payload: { id: n.id, name: n.name }, on: { insert: c, update: u, delete: d } }
  - { name: public.others, payload: { id: n.id }, on: { insert: u } }
`, "public.others", `lacks the field "name"`)
	b.refuses(`
tables:
  - { name: public.things, collection: things, on: { insert: a, update: b, delete: c } }
  - { name: public.others, collection: others, on: { insert: c, update: d, delete: e } }
`, "the events of type c belong to the collections things and others")
	b.apply(parse(t, "{ name: first, tables: [{ name: public.things, collection: things }] }"))
	b.refuses("{ name: second, tables: [{ name: public.others, collection: things }] }", "spec first", "spec second", "public.things")
}

// A table of a pattern that cannot be a collection is watched all the same, and a note says why.
func TestOfferedCollections(t *testing.T) {
	t.Parallel()
	b := open(t, everyFilter+`;
		create table public.keyless (a int);
		create schema sales;
		create table sales.things (id int primary key)`)
	names := func(spec triggers.Spec, notes *[]triggers.Note) string {
		t.Helper()
		if _, err := triggers.Apply(t.Context(), b.conn, spec, triggers.Notes(notes)); err != nil {
			t.Fatal(err)
		}
		sources, err := triggers.Collections(t.Context(), b.conn, spec)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, s := range sources {
			list = append(list, s.Name)
		}
		return strings.Join(list, " ")
	}
	var notes []triggers.Note
	if got := names(choose(t, "*", "!public.act*", "!public.assign*"), &notes); got != "sales.things things" {
		t.Errorf("collections %s, notes %v", got, notes)
	}
	if got := names(choose(t, "public.things", "public.keyless"), &notes); got != "things" {
		t.Errorf("collections %s, notes %v", got, notes)
	}
	if got := names(parse(t, `tables: [{ name: "*", exclude: ["public.a*"], collection: "all.{table}", filter: null }]`), &notes); got != "all.sales.things all.things" {
		t.Errorf("collections %s, notes %v", got, notes)
	}
	if got := names(parse(t, `tables: [{ name: "*", exclude: ["public.a*"], collection: null }]`), &notes); got != "" {
		t.Errorf("collections %s, notes %v", got, notes)
	}
	if got := names(parse(t, `tables: [{ name: "*", exclude: ["public.a*"], audience: "array[o::text]" }]`), &notes); got != "" {
		t.Errorf("collections %s, notes %v", got, notes)
	}
	found := false
	for _, n := range notes {
		found = found || strings.Contains(n.String(), "public.things is no collection: the audience looks at o")
	}
	if !found {
		t.Errorf("notes %v", notes)
	}
}
