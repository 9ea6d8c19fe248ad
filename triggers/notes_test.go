package triggers

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummarize(t *testing.T) {
	var e expansion
	add := func(n int) {
		table := Name{"public", fmt.Sprintf("t%d", n)}
		e.note(table, columnList([]string{"password", "token"}[:1+n%2]), "keeps %s out of its events: the name looks sensitive")
		if n < 3 {
			e.skip(table, "it is %s", "odd")
		}
	}
	for n := range 12 {
		add(n)
	}
	e.skip(Name{"public", "x"}, "it is %s", "even")
	want := []string{
		"table public.t0 keeps password out of its events: the name looks sensitive; likewise for 11 other tables: public.t1 (password, token), public.t2 (password), " +
			"public.t3 (password, token), public.t4 (password), public.t5 (password, token), public.t6 (password), public.t7 (password, token), public.t8 (password) " +
			"and 3 more, which `pgherald init --output=-` lists",
		"table public.t0 is not watched: it is odd", "table public.t1 is not watched: it is odd", "table public.t2 is not watched: it is odd",
		"table public.x is not watched: it is even",
	}
	if diff := cmp.Diff(want, Summarize(e.notes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	two := []Note{{Message: "a"}, {Message: "b"}}
	if diff := cmp.Diff([]string{`table "".""` + " a", `table "".""` + " b"}, Summarize(two)); diff != "" {
		t.Errorf("without reasons (-want +got):\n%s", diff)
	}
}
