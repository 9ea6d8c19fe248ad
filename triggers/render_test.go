package triggers_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgherald/pgherald/triggers"
)

// specSchema compiles the JSON Schema with a validator that is not ours.
func specSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(triggers.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("spec.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("spec.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate checks a spec as an editor does.
func validate(schema *jsonschema.Schema, text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// TestSchemaAcceptsSpecs validates every spec in the documents and in testdata, which Parse accepts.
func TestSchemaAcceptsSpecs(t *testing.T) {
	schema := specSchema(t)
	specs := map[string]string{}
	for _, pattern := range []string{"testdata/*.yaml", "workload.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			specs[file] = string(text)
		}
	}
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range append(documents, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, found := range block.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "\ntables:\n") || strings.HasPrefix(found[1], "tables:\n") {
				specs[file+" "+string(rune('1'+i))] = found[1]
			}
		}
	}
	if len(specs) < 8 {
		t.Fatalf("found %d specs", len(specs))
	}
	for name, text := range specs {
		if err := validate(schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := triggers.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses has an example of each kind of mistake that needs no database.
func TestSchemaRefuses(t *testing.T) {
	schema := specSchema(t)
	for _, text := range []string{
		"{}", "tables: []", "tables: [{}]", "tables: [{ name: a.b, colour: red }]", "tables: [{ name: a.b, on: { upsert: c } }]",
		"tables: [{ name: a.b, on: { insert: Created } }]", "tables: [{ name: a.b, on: { insert: { when: true } } }]",
		"{ name: Sales, tables: [{ name: a.b }] }", "{ version: 0, tables: [{ name: a.b }] }", "tables: [{ name: a.b, columns: { only: c } }]",
		"tables: [{ name: a.b, columns: { sensitive: no } }]",
		"tables: [{ name: a.b, bigint: string }]", "tables: [{ name: a.b, payload: {} }]",
	} {
		if err := validate(schema, text); err == nil {
			t.Errorf("the schema accepts %s", text)
		}
		if _, err := triggers.Parse([]byte(text)); err == nil {
			t.Errorf("Parse accepts %s", text)
		}
	}
}

// TestSchemaKnowsEveryField compares the schema with the fields that Parse names in its errors.
func TestSchemaKnowsEveryField(t *testing.T) {
	schema := string(triggers.Schema())
	for _, text := range []string{
		"{ tables: [], x: 1 }", "tables: [{ name: a.b, x: 1 }]", "tables: [{ name: a.b, columns: { x: 1 } }]",
		"tables: [{ name: a.b, on: { x: a } }]", "tables: [{ name: a.b, on: { insert: { type: a, x: 1 } } }]",
	} {
		_, err := triggers.Parse([]byte(text))
		if err == nil {
			t.Fatalf("Parse accepts %s", text)
		}
		_, list, _ := strings.Cut(err.Error(), "known here: ")
		list, _, _ = strings.Cut(list, ")")
		for _, field := range strings.Split(strings.TrimSuffix(list, ", and keys that begin with x-"), ", ") {
			if !strings.Contains(schema, `"`+field+`": {`) {
				t.Errorf("the schema does not know %q", field)
			}
		}
	}
}

// TestRender reads a rendered spec back: it watches the same tables in the same way, and the same again gives the same text.
func TestRender(t *testing.T) {
	t.Parallel()
	b := openBare(t, everyKind)
	all := choose(t, "*")
	render := func() string {
		spec, notes, err := triggers.Expand(t.Context(), b.conn, all)
		if err != nil {
			t.Fatal(err)
		}
		return string(triggers.Render(spec, notes))
	}
	text := render()
	if diff := cmp.Diff(text, render()); diff != "" {
		t.Errorf("rendered again (-first +second):\n%s", diff)
	}
	contains(t, text, `  - name: "public.\"Order Items\""`, `    columns: { sensitive: false }`, `  # It keeps password_hash, "apiKey" out of its events`,
		"    on: { insert: log_lines_created }", "    key: [code]", "# table public.private is not watched", "$schema=./"+triggers.SchemaFile)
	if err := validate(specSchema(t), text); err != nil {
		t.Error(err)
	}
	b.apply(all)
	for _, change := range b.apply(parse(t, text)) {
		if !strings.HasPrefix(change, "record spec") {
			t.Errorf("the rendered spec differs: %s", change)
		}
	}
}
