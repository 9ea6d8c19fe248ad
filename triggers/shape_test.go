package triggers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/triggers"
)

// shapes has a type, the JSON type of its values, and some of them.
var shapes = []struct {
	sqlType, json string
	values        []string
}{
	{"boolean", "bool", []string{"true", "false"}},
	{"smallint", "int2", []string{"-32768"}},
	{"bigint", "int8", []string{"9223372036854775807"}},
	{"numeric(10,2)", "numeric", []string{"12.5", "'NaN'"}},
	{"numeric", "numeric", []string{"1e300", "0.1"}},
	{"real", "float4", []string{"1.5", "'NaN'", "'-Infinity'"}},
	{"double precision", "float8", []string{"1e-300", "'Infinity'"}},
	{"text", "text", []string{`E'a"\\\n'`, "''"}},
	{"character varying(3)", "varchar", []string{"'äöü'"}},
	{"character(3)", "bpchar", []string{"'x'"}},
	{`"char"`, "char", []string{"'x'"}},
	{"bytea", "bytea", []string{`'\x00ff'`}},
	{"uuid", "uuid", []string{"gen_random_uuid()"}},
	{"date", "date", []string{"'2026-01-02'", "'infinity'", "'0044-03-15 BC'"}},
	{"timestamp without time zone", "timestamp", []string{"'2026-01-02 03:04:05.678901'", "'-infinity'"}},
	{"timestamp with time zone", "timestamptz", []string{"'2026-01-02 03:04:05Z'", "'infinity'"}},
	{"time with time zone", "timetz", []string{"'03:04:05Z'"}},
	{"interval", "interval", []string{"'1 day 2 hours'"}},
	{"inet", "inet", []string{"'10.0.0.1/8'"}},
	{"money", "money", []string{"12.5::numeric::money"}},
	{"int4range", "int4range", []string{"'[1,5)'"}},
	{"point", "point", []string{"'(1,2)'"}},
	{"tsvector", "tsvector", []string{"'a b'"}},
	{"xml", "xml", []string{"'<a/>'"}},
	{"oid", "oid", []string{"1"}},
	{"json", "json", []string{`'{"a":[1]}'`, "'null'", "'1'"}},
	{"jsonb", "jsonb", []string{`'[]'`, `'"x"'`}},
	{"integer[]", "int4[]", []string{"'{}'", "'{1,null,2}'"}},
	{"text[]", "text[]", []string{"'{a,b}'"}},
	{"jsonb[]", "jsonb[]", []string{`array['{"a":1}'::jsonb, 'null']`}},
	{"public.mood", "text", []string{"'sad'", "'happy'"}},
	{"public.feeling", "text", []string{"'ok'"}},
	{"public.mood[]", "text[]", []string{"'{sad,null}'"}},
	{"public.positive", "numeric", []string{"3.5"}},
	{"public.positive[]", "numeric[]", []string{"'{3.5}'"}},
	{"public.pair", "record", []string{"row(1, 'x')"}},
	{"public.pair[]", "record[]", []string{"array[row(1, null)::public.pair]"}},
	{"public.floatrange", "text", []string{"'[1,2]'"}},
}

const shapeTypes = `
	create type public.mood as enum ('sad', 'ok', 'happy');
	create domain public.feeling as public.mood;
	create domain public.positive as numeric(5, 1) check (value > 0);
	create type public.pair as (a int, b text);
	create type public.floatrange as range (subtype = float8)`

// TestShapes validates rows with values of all sorts of types against the schemas of the fields, as columns and as
// expressions.
func TestShapes(t *testing.T) {
	t.Parallel()
	var columns, fields, inserts strings.Builder
	for i, s := range shapes {
		fmt.Fprintf(&columns, ", c%d %s, r%d %[2]s not null default %[4]s", i, s.sqlType, i, s.values[0])
		fmt.Fprintf(&fields, ", c%d: n.c%[1]d, r%[1]d: n.r%[1]d, e%[1]d: 'coalesce(n.c%[1]d, null)'", i)
		for j, value := range s.values {
			fmt.Fprintf(&inserts, "insert into public.things (id, c%d) values (%d, %s);", i, 100*i+j+1, value)
		}
	}
	spec := "tables:\n  - name: public.things\n    collection: things\n    bigint: text\n    on_error: abort\n    payload: { id: n.id" + fields.String() + " }\n"
	b := watch(t, shapeTypes+"; create table public.things (id bigint primary key"+columns.String()+")", spec)
	b.exec(inserts.String())
	sources, err := triggers.Collections(t.Context(), b.conn, parse(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	checkShapes(t, &sources[0].Collection)
	schema := schemaOf(t, &sources[0].Collection)
	n := 0
	for _, data := range strings.Split(b.one(`select string_agg(data::text, E'\n' order by id) from pgherald.events`), "\n") {
		n++
		row, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(row); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
	if n < len(shapes) {
		t.Errorf("%d rows for %d types", n, len(shapes))
	}
}

func checkShapes(t *testing.T, c *collection.Collection) {
	t.Helper()
	got, want := map[string]string{}, map[string]string{}
	for i, s := range shapes {
		if s.json == "int8" {
			s.json = "text" // the spec says so
		}
		name := fmt.Sprintf("c%d %s", i, s.sqlType)
		f := c.Field(fmt.Sprintf("c%d", i))
		want[name], got[fmt.Sprintf("c%d %s", i, f.Type)] = s.json, f.JSONType
		if f.Nullable == c.Field(fmt.Sprintf("r%d", i)).Nullable {
			t.Errorf("the nullability of %s is that of the column with NOT NULL", f.Type)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON types (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"c8": `map[maxLength:3 type:[string null]]`, "r8": `map[maxLength:3 type:string]`, "c2": `map[type:[string null]]`,
		"c31": `map[enum:[sad ok happy <nil>] type:[string null]]`, "c27": `map[items:map[type:[integer null]] type:[array null]]`,
	} {
		if got := fmt.Sprint(c.Field(name).Shape().Schema(c.Field(name).Nullable)); got != want {
			t.Errorf("%s has the schema %s, want %s", name, got, want)
		}
	}
}

// schemaOf compiles the schema of a row that has exactly the fields.
func schemaOf(t *testing.T, c *collection.Collection) *jsonschema.Schema {
	t.Helper()
	properties, required := map[string]any{}, []string{}
	for _, f := range c.Fields {
		properties[f.Name] = f.Shape().Schema(f.Nullable)
		required = append(required, f.Name)
	}
	text, err := json.Marshal(map[string]any{"type": "object", "required": required, "properties": properties, "additionalProperties": false})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("row.json", doc); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("row.json")
}
