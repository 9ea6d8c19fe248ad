package triggers

import "github.com/goccy/go-yaml/ast"

// defaults reads the fields at the top of a spec that are defaults of its tables.
func (d *document) defaults(entries []entry) Table {
	var t Table
	for _, e := range entries {
		switch e.key {
		case "on_error":
			t.AbortOnError = d.onError(e.value)
		case "bigint":
			t.BigintAsText = d.bigint(e.value)
		}
	}
	return t
}

// onError reports whether an error in the SQL of an event fails the application's write.
func (d *document) onError(n ast.Node) bool {
	return d.choice(n, "on_error", "reset", "abort") == "abort"
}

// bigint reports whether payloads show bigint columns as strings.
func (d *document) bigint(n ast.Node) bool {
	return d.choice(n, "bigint", "number", "text") == "text"
}

// choice reads one of two words.
func (d *document) choice(n ast.Node, field, first, second string) string {
	text, _, ok := d.scalar(n)
	if !ok || text != first && text != second {
		d.problem(n, "%s must be %s or %s", field, first, second)
	}
	return text
}
