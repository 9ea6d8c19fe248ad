package collections

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzArrays(f *testing.F) {
	f.Add("", `a"b\c`, "NULL", "{,}")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		want := []*string{&a, &b, &c, &d}
		got, err := parseTexts(arrayText([]string{a, b, c, d}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// PostgreSQL quotes only what it must.
func TestParseTexts(t *testing.T) {
	text := func(s string) *string { return &s }
	for array, want := range map[string][]*string{
		`{}`: nil, `{NULL}`: {nil}, `{"NULL",a b,""}`: {text("NULL"), text("a b"), text("")}, `{2026-01-01 00:00:00+00,7}`: {text("2026-01-01 00:00:00+00"), text("7")},
	} {
		got, err := parseTexts(array)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", array, diff)
		}
	}
	for _, array := range []string{``, `{`, `a`, `{"`, `{"a`, `{"\`, `{a`, `{a,`, `{a,}`, `{,}`, `{"a"b}`} {
		if got, err := parseTexts(array); err == nil {
			t.Errorf("%s gives %d texts", array, len(got))
		}
	}
}
