package triggers

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse checks that any bytes give either a spec that generates SQL or an error with the position of
// each mistake, and never a panic.
func FuzzParse(f *testing.F) {
	f.Add(workloadYAML)
	f.Add([]byte("tables: [{ name: a.b, on: { insert: a }, payload: { x: (1 } }]"))
	f.Add([]byte("a: &a { <<: [*a, *b] }\ntables: *a"))
	f.Add([]byte("tables:\n- &x\n  name: a.b\n  on: {update: [{type: b, <<: *x}]}"))
	f.Add([]byte(`tables: [{ name: a.b, collection: b, filter: "*", audience: "array[n.status]" }, { name: "a.*", collection: "x.{table}", filter: [id] }]`))
	f.Add([]byte("tables:\n- name: a.b\n  collection: b\n  row: [id]\n  filter: [id]\n  left_join: a.c as c on c.id = n.id\n" +
		"  on: {insert: {type: c, payload: {id: n.id, x: 1}}, update: {type: u, payload: {id: n.id}}, delete: {type: d, payload: {x: 1}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := Parse(data)
		if err != nil {
			checkPositions(t, err)
			return
		}
		for _, table := range spec.Tables {
			rel := plain(table.Name.Schema, table.Name.Table, "id")
			generate(table, rel)
			if err := errors.Join(collectionMistakes(table, rel)...); table.Collection != "" && err == nil {
				newSource(table, rel)
			}
		}
	})
}

func checkPositions(t *testing.T, err error) {
	t.Helper()
	var problem Problem
	if !errors.As(err, &problem) || problem.Line < 1 || problem.Column < 1 {
		t.Errorf("a mistake has no position: %v", err)
	}
}

// FuzzEmbed checks that an accepted expression cannot end the SQL around it: the whole still scans as one
// value.
func FuzzEmbed(f *testing.F) {
	for _, seed := range []string{"n.id", "f(a, 'b)')", "$x$ ) $x$", "1 -- )", "E'\\''", "/* ( /* */ */ 1", "a\n'\n'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if _, err := scanExpr(expr); err != nil {
			return
		}
		text := restoreLineBreaks(embed(expr))
		if !strings.Contains(text, strings.TrimSpace(strings.SplitN(expr, "\n", 2)[0])) {
			t.Errorf("%q became %q", expr, text)
		}
		if _, err := scanExpr("(" + text + "\n) = f(1)"); err != nil {
			t.Errorf("%q became %q, which ends the SQL around it: %v", expr, text, err)
		}
	})
}
