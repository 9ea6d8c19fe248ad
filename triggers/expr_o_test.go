package triggers

import "testing"

// A column that is called o is no row.
func TestHasWordO(t *testing.T) {
	for text, want := range map[string]bool{
		"o.id": true, "n.id + o.id": true, "(o)": true, "O.id": true, `"o".id`: true, "o": true, "n.a is distinct from o.o": true,
		"n.o": false, `n."O"`: false, "n . o": false, "(n.c).o": false, "n.other": false, "n.no": false,
	} {
		if got := hasWordO(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
