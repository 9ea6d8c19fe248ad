package triggers

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParse(t *testing.T) {
	spec, err := Parse([]byte(`
name: sales
version: 20261129
x-common:
  who: &who array['user:' || n.id]
  fields: &fields { id: n.id, status: n.status }
tables:
  - name: Public.Orders
    key: [id, "part"]
    join: public.a as a on a.id = n.id
    left_join: [public.b as b on true, public.c as c on true]
    payload: *fields
    audience: *who
    on:
      insert: created
      update:
        - paid
        - type: changed
          when: true
          key: 1
          audience: ~
          payload: { zero: 0, <<: *fields, status: upper(n.status), more: "n.more" }
      delete: { type: deleted, payload: ~ }
  - name: public.items
    on: { truncate: emptied }
`))
	if err != nil {
		t.Fatal(err)
	}
	fields := []Field{{"id", "n.id"}, {"status", "n.status"}}
	const who = `array['user:' || n.id]`
	want := Spec{Name: "sales", Version: 20261129, Tables: []Table{{
		Name: Name{"public", "orders"}, Key: []string{"id", "part"},
		Joins:  []Join{{SQL: "public.a as a on a.id = n.id"}, {true, "public.b as b on true"}, {true, "public.c as c on true"}},
		Insert: []Event{{Type: "created", Payload: fields, Audience: who}},
		Update: []Event{
			{Type: "paid", Payload: fields, Audience: who},
			{Type: "changed", When: "true", Key: "1", Payload: []Field{
				{"zero", "0"}, {"id", "n.id"}, {"status", "upper(n.status)"}, {"more", "n.more"},
			}},
		},
		Delete:   []Event{{Type: "deleted", Audience: who}},
		Truncate: Truncate{Type: "table_truncated"},
	}, {
		Name: Name{"public", "items"}, Truncate: Truncate{Type: "emptied"},
	}}}
	if diff := cmp.Diff(want, spec, cmpopts.IgnoreUnexported(Spec{}, Table{})); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestParseTruncate(t *testing.T) {
	for on, want := range map[string]Truncate{
		"insert: a":                           {},
		"delete: a":                           {Type: "table_truncated"},
		"{ delete: a, truncate: ~ }":          {},
		"{ delete: a, truncate: as-deletes }": {AsDeletes: true},
		"{ delete: a, truncate: gone }":       {Type: "gone"},
	} {
		on = strings.TrimSuffix(strings.TrimPrefix(on, "{"), "}")
		spec, err := Parse([]byte("tables: [{ name: a.b, on: { " + on + " } }]"))
		if err != nil || spec.Tables[0].Truncate != want {
			t.Errorf("%s: %+v, %v, want %+v", on, spec, err, want)
		}
	}
}

// Every mistake has its line and column.
func TestParseErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"":                                      "1:1: the spec is empty",
		"# nothing":                             "1:1: the spec is empty",
		"- a":                                   "1:1: a spec is a mapping",
		"{}":                                    "1:1: the list named tables is missing",
		"tables: 1":                             "1:9: tables must be a list",
		"tables: [1]":                           "1:10: a table is a mapping",
		"tables: []\ntabels: []":                `2:1: unknown field "tabels" (known here: name, version, tables, on_error, bigint, and keys that begin with x-)`,
		"tables: []":                            "1:9: tables is empty: a spec watches at least one table; to remove its triggers, run `pgherald drop`",
		"tables:":                               "1:9: tables must be a list",
		"name: Sales\ntables: []":               "1:7: name must be a lower-case letter",
		"name: ~\ntables: []":                   "1:7: name must be",
		"name: [a]\ntables: []":                 "1:7: name must be",
		"version: 0\ntables: []":                "1:10: version must be a whole number from 1 on",
		"version: 1.5\ntables: []":              "1:10: version must be",
		"version: [1]\ntables: []":              "1:10: version must be",
		"tables: []\n---\ntables: ":             "3:1: a spec is one YAML document",
		"tables: [":                             "1:9: read YAML: ",
		"tables: []\ntables: []":                `2:1: read YAML: mapping key "tables" already defined`,
		"tables:\n  - on: { insert: a }":        "2:5: a table needs a name",
		"tables: [{ name: a.b, exclude: a.c }]": "1:23: exclude is for a name with wildcards",
		"tables: [{ name: a.*, exclude: c }]":   "1:32: name the schema too, as in public.c",
		"tables: [{ name: 'a*' }]":              "1:18: name the schema too, as in public.a*",
		"tables: [{ name: a.b*c-d }]":           `1:18: read table name "a.b*c-d": "-d" is not a name`,
		"tables: [{ name: a.b, columns: [c] }]": "1:32: columns must be a mapping with exclude or include",
		"tables: [{ name: a.b, columns: { only: c } }]":                          `1:34: unknown field "only" (known here: exclude, include, sensitive)`,
		"tables: [{ name: a.b, columns: { include: c }, payload: {d: 1} }]":      "1:10: columns chooses those of the default payload",
		"tables: [{ name: a.b, on: { insert: '{table}_made' } }]":                `1:37: event type "{table}_made" must be`,
		"on_error: no\ntables: []":                                               "1:11: on_error must be reset or abort",
		"bigint: [text]\ntables: []":                                             "1:9: bigint must be number or text",
		"tables:\n  - name: a.b\n    on: { insert: collection_reset }":           `3:19: event type "collection_reset" belongs to the stream itself`,
		"tables:\n  - name: b\n    on: { insert: a }":                            "2:11: name the schema too, as in public.b",
		"tables:\n  - name: [a]\n    on: { insert: a }":                          "2:11: name must be a table",
		"tables:\n  - name: a.b\n    on: insert":                                 "3:9: on must be a mapping",
		"tables:\n  - name: a.b\n    on: {}":                                     "3:9: on must be a mapping",
		"tables:\n  - name: a.b\n    on: { upsert: a }":                          `3:11: unknown field "upsert" (known here: insert, update, delete, truncate)`,
		"tables:\n  - name: a.b\n    on: { insert: }":                            "3:18: an event is a type",
		"tables:\n  - name: a.b\n    on: { insert: [] }":                         "3:19: this list of events is empty",
		"tables:\n  - name: a.b\n    on: { insert: [[a]] }":                      "3:20: an event is a type",
		"tables:\n  - name: a.b\n    on: { insert: { when: true } }":             "3:19: an event needs a type",
		"tables:\n  - name: a.b\n    on: { insert: Created }":                    `3:19: event type "Created" must be a lower-case letter`,
		"tables:\n  - name: a.b\n    on: { insert: heartbeat }":                  `3:19: event type "heartbeat" belongs to the stream itself`,
		"tables:\n  - name: a.b\n    on: { truncate: as-deletes }":               "3:9: truncate: as-deletes needs events under delete",
		"tables:\n  - name: a.b\n    on: { truncate: [a] }":                      "3:21: truncate must be an event type",
		"tables:\n  - name: a.b\n    key: { a: b }\n    on: { insert: a }":       "3:10: key must be a column",
		"tables:\n  - name: a.b\n    key: '\"x'\n    on: { insert: a }":          "3:10: read name \"x: the closing quote is missing",
		"tables:\n  - name: a.b\n    payload: [a]\n    on: { insert: a }":        "3:14: payload must be a mapping",
		"tables:\n  - name: a.b\n    payload: {}\n    on: { insert: a }":         "3:14: payload must be a mapping",
		"tables:\n  - name: a.b\n    payload: { x: (1 }\n    on: { insert: a }":  `3:19: read payload field "x": a ')' is missing`,
		"tables:\n  - name: a.b\n    payload: { x: [a] }\n    on: { insert: a }": `3:19: payload field "x" must be an SQL expression`,
		"tables:\n  - name: a.b\n    payload: { '': a }\n    on: { insert: a }":  "3:16: name payload field: read name: it is empty",
		"tables:\n  - name: a.b\n    audience: 1; 2\n    on: { insert: a }":      "3:15: read audience: it holds a semicolon",
		"tables:\n  - name: a.b\n    join: 'x, y'\n    on: { insert: a }":        "3:11: read join: it holds a comma outside brackets",
		"tables:\n  - name: a.b\n    join: ~\n    on: { insert: a }":             "3:11: join must be an SQL expression",
		"tables:\n  - name: a.b\n    on: { insert: *nope }":                      "3:19: there is no anchor named nope",
		"tables: &a [*a]":                   "1:13: a table is a mapping",
		"a: &a { <<: *a }\ntables: []":      `1:1: unknown field "a"`,
		"x-a: &a { <<: 1 }\ntables: [ *a ]": "1:15: << needs a mapping",
		"tables:\n  - name: a.b\n    on: { insert: a }\n  - name: A.B\n    on: { insert: a }": "4:5: table a.b is listed twice",
	} {
		_, err := Parse([]byte(spec))
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("Parse(%q):\n got %v\nwant %s", spec, err, want)
		}
	}
}

func TestParseFindsAllMistakes(t *testing.T) {
	_, err := Parse([]byte("tables:\n  - name: orders\n    colour: red\n    on: { insert: Bad, update: sync }\n  - 7\n"))
	want := `2:11: name the schema too, as in public.orders
3:5: unknown field "colour" (known here: name, exclude, columns, key, join, left_join, payload, audience, on_error, bigint, on, collection, row, filter)
4:19: event type "Bad" must be a lower-case letter and then up to 62 of a-z, 0-9, _ . : -
4:32: event type "sync" belongs to the stream itself; choose another
5:5: a table is a mapping with a name, as in ` + "`- name: public.orders`"
	if err == nil {
		t.Fatal("parse succeeded")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// Nested merges take exponential time if each is expanded again.
func TestParseDeepMerges(t *testing.T) {
	var b strings.Builder
	b.WriteString("x-0: &a0 { id: n.id }\n")
	for i := 1; i <= 60; i++ {
		prev, next := string(rune('a'+(i-1)%26)), string(rune('a'+i%26))
		b.WriteString(strings.NewReplacer("P", prev+strconv.Itoa(i-1), "N", next+strconv.Itoa(i), "I", strconv.Itoa(i)).
			Replace("x-I: &N { <<: [*P, *P] }\n"))
	}
	b.WriteString("tables: [{ name: a.b, on: { insert: a }, payload: *" + string(rune('a'+60%26)) + "60 }]")
	spec, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Field{{"id", "n.id"}}, spec.Tables[0].Insert[0].Payload); diff != "" {
		t.Error(diff)
	}
}
