package triggers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

// A program whose generator is higher replaces the functions that an older program has generated. Those missed nothing, so
// no client loads a table again; nor does a server call them drift of which clients must know.
func TestANewGenerationReplacesTheFunctions(t *testing.T) {
	const function = `pgherald."public.items.row"`
	source := `select prosrc from pg_proc where oid = '` + function + `'::regproc`
	for name, c := range map[string]struct {
		generator string // what pgherald.specs says of the installed functions
		resets    bool
	}{
		"of an older program": {"generator - 1", false},
		"edited by hand":      {"generator", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := watch(t, items, itemsSpec)
			want := b.one(source)
			b.exec(strings.Replace(b.one(`select pg_get_functiondef('`+function+`'::regproc)`), "begin\n", "begin\n    -- Before.\n", 1))
			b.exec(`update pgherald.specs set generator = ` + c.generator)
			seen, err := triggers.NewInspector(parse(t, itemsSpec)).Inspect(t.Context(), b.conn)
			if err != nil || len(seen.Drift) == 0 || c.resets != (len(seen.Reset) > 0) {
				t.Errorf("inspect: %+v, %v", seen, err)
			}
			changes := b.apply(parse(t, itemsSpec))
			if b.one(source) != want {
				t.Errorf("the function is still the former one after %v", changes)
			}
			reset := slices.ContainsFunc(b.events(), func(event string) bool { return strings.HasPrefix(event, "collection_reset") })
			if reset != c.resets {
				t.Errorf("clients load the table again: %v", reset)
			}
			b.drifts(itemsSpec)
			if changes := b.apply(parse(t, itemsSpec)); len(changes) > 0 {
				t.Errorf("the second apply: %v", changes)
			}
			b.gives(`insert into public.items values (1)`, `item_created 1 {"id":1}`)
		})
	}
}
