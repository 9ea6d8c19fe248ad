package triggers

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse: whatever the bytes, there is a spec from which SQL can be made, or an error in which
// each mistake has a place; and never a panic.
func FuzzParse(f *testing.F) {
	f.Add(workloadYAML)
	f.Add([]byte("tables: [{ name: a.b, on: { insert: a }, payload: { x: (1 } }]"))
	f.Add([]byte("a: &a { <<: [*a, *b] }\ntables: *a"))
	f.Add([]byte("tables:\n- &x\n  name: a.b\n  on: {update: [{type: b, <<: *x}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := Parse(data)
		if err != nil {
			checkPlaces(t, err)
			return
		}
		for _, table := range spec.Tables {
			generate(table, relation{name: table.Name, key: []keyColumn{{"id", "="}}})
		}
	})
}

func checkPlaces(t *testing.T, err error) {
	t.Helper()
	var problem Problem
	if !errors.As(err, &problem) || problem.Line < 1 || problem.Column < 1 {
		t.Errorf("a mistake without a place: %v", err)
	}
}

// FuzzEmbed: an expression that is accepted stays inside its place. Whatever it is, it scans as
// one value together with what surrounds it.
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
			t.Errorf("%q became %q, which does not stay in its place: %v", expr, text, err)
		}
	})
}
