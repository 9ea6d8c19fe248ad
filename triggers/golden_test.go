package triggers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream/collection"
)

func plain(schema, table string, key ...string) relation {
	rel := relation{name: Name{schema, table}, spelling: map[string]spelling{}}
	rel.spelling["seen_at"] = builtin("timestamptz")
	rel.key = key
	rel.types = map[string]columnType{}
	for _, name := range []string{"category", "subcategory", "location", "status", "reporter", "customer"} {
		rel.types[name] = columnType{name: "text", kind: collection.Text}
	}
	rel.columns = []string{"id", "status", "customer", "readers"}
	rel.types["id"] = columnType{name: "bigint", notNull: true, kind: collection.Integer}
	return rel
}

// goldenRelations returns the catalog's entries for the tables of testdata/*.yaml.
func goldenRelations() map[Name]relation {
	lines := relation{
		name: Name{"shop", "lines"}, partitioned: true,
		key: []string{"order_id", "sku"},
		partitions: []partition{
			{name: Name{"shop", "lines_2025"}},
			{name: Name{"shop", "lines_2026"}, partitioned: true},
			{name: Name{"shop", "lines_2026_01"}},
		},
	}
	stock := plain("shop", "stock", "sku")
	stock.partitioned = true
	stock.partitions = []partition{{name: Name{"shop", "stock_eu"}}, {name: Name{"shop", "stock_us"}}}
	relations := map[Name]relation{}
	for _, rel := range []relation{
		plain("public", "activities", "id"), plain("public", "assignments", "activity_id"),
		plain("public", "activity_updates", "id"), plain("public", "orders", "id"), plain("public", "users", "id"),
		plain("Order Items", "select.from", "Größe", `it's "it"`), lines, stock,
	} {
		relations[rel.name] = rel
	}
	return relations
}

// spellAlike gives every column of the table that has no type yet one whose spelling depends on no setting.
func spellAlike(t Table, rel relation) {
	if rel.spelling == nil {
		return
	}
	for _, op := range t.rowOps() {
		for _, event := range t.events(op) {
			for _, f := range append(event.Payload, Field{SQL: event.Key}) {
				if _, column, ok := plainColumn(f.SQL); ok && rel.spelling[column] == (spelling{}) {
					rel.spelling[column] = spelling{}
				}
			}
		}
	}
}

// The golden files show the generated SQL to readers. UPDATE_GOLDEN=1 writes them again; read the diff.
// TestGeneratorIsRaised says when a change needs a higher generator.
func TestGolden(t *testing.T) {
	specs, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(specs) == 0 {
		t.Fatalf("find the specs in testdata: %v", err)
	}
	for _, file := range append(specs, "workload.yaml") {
		name := filepath.Base(file[:len(file)-len(".yaml")])
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			relations := make([]relation, len(spec.Tables))
			for i, table := range spec.Tables {
				relations[i] = goldenRelations()[table.Name]
				spellAlike(table, relations[i])
			}
			compareGolden(t, filepath.Join("testdata", name+".sql"), generateAll(spec, relations).script(writer{}))
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
