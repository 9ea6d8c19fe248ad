package pgherald

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

var ordered = &Description{Name: "t", Key: []string{"id"}, Filter: []FilterField{
	{Name: "id", Kind: "integer"},
	{Name: "n", Kind: "numeric"},
	{Name: "at", Kind: "timestamptz"},
	{Name: "mood", Kind: "enum", Labels: []string{"zz", "aa"}},
	{Name: "text", Kind: "text"},
}}

// sorted returns the values of a field in an order.
func sorted(order, field string, values ...string) []string {
	o := newRowOrder(order, ordered)
	var entries []*entry
	for i, value := range values {
		entries = append(entries, o.entry(strconv.Itoa(i), json.RawMessage(fmt.Sprintf(`{%q:%s}`, field, value))))
	}
	slices.SortFunc(entries, o.compare)
	var got []string
	for _, e := range entries {
		n, _ := strconv.Atoi(e.key)
		got = append(got, values[n])
	}
	return got
}

func TestValuesAreOrderedAsPostgreSQLDoes(t *testing.T) {
	for field, want := range map[string][]string{
		"n": {
			`"-Infinity"`, "-1e3", "-12.5", "-12.49", "-1", "-0.001", "0.00", "1e-7", "0.5", "2", "2.01", "10", `"9007199254740992"`,
			"9007199254740993", `1e400`, `"Infinity"`, `"NaN"`, "null",
		},
		"at": {
			`"-infinity"`, `"4713-01-01T00:00:00+00:00 BC"`, `"0044-03-15T00:00:00+00:00 BC"`, `"0044-03-16T00:00:00+00:00 BC"`,
			`"2026-01-01T00:00:00+00:00"`, `"2026-01-01T00:00:00.5+00:00"`, `"2026-01-01T00:00:00.51+00:00"`,
			`"10000-01-01T00:00:00+00:00"`, `"infinity"`, "null",
		},
		"mood": {`"zz"`, `"aa"`, "null"},
	} {
		mixed := slices.Clone(want)
		slices.SortFunc(mixed, func(a, b string) int { return len(a)%5 - len(b)%5 })
		if got := sorted(field, field, mixed...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
		slices.Reverse(want)
		if got := sorted(field+".desc", field, mixed...); !slices.Equal(got, want) {
			t.Errorf("%s descending: %q, want %q", field, got, want)
		}
	}
}

func TestHostileValuesAreGuesses(t *testing.T) {
	for field, values := range map[string][]string{
		"n":    {`"1e99999999999"`, `"--1"`, `""`, `"1.2.3"`, `{}`, `"0x1"`, "true"},
		"at":   {`"soon"`, `"99999999999-01-01"`, `17`, `"-5-01-01"`},
		"mood": {`"new"`},
		"text": {`"a"`},
	} {
		o := newRowOrder(field, ordered)
		for _, value := range values {
			if e := o.entry("1", json.RawMessage(fmt.Sprintf(`{%q:%s}`, field, value))); e.isExact {
				t.Errorf("%s = %s counts as exact", field, value)
			}
		}
	}
}

func TestTheOrderOfKeys(t *testing.T) {
	pairs := *ordered
	pairs.Key = []string{"id", "n"}
	o := newRowOrder(`"n".desc`, &pairs)
	a, b := o.entry("[9, 2]", json.RawMessage(`{"n":1}`)), o.entry("[10, 1]", json.RawMessage(`{"n":1}`))
	if o.compare(a, b) <= 0 || !a.isExact {
		t.Errorf("[9, 2] comes before [10, 1] in descending order")
	}
}

// TestAWindowHoldsWhatTheListHas applies random histories, and compares with the list after each step.
func TestAWindowHoldsWhatTheListHas(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	reloads := 0
	for history := range 80 {
		h := newHistory(random, []string{"", "n", "n.desc", "mood,n.desc"}[history%4])
		w := h.load()
		for range 60 {
			w.apply(h.change())
			if w.needsReload() {
				reloads++
				w = h.load()
			}
			all := h.list()
			if got, want := textOf(w.shown()), textOf(all[:min(h.limit, len(all))]); got != want {
				t.Fatalf("history %d by %q: the window shows %s, want %s", history, h.order, got, want)
			}
			if len(all) > h.limit && !w.hasMore() {
				t.Fatalf("history %d: the window does not know that the list goes on", history)
			}
		}
	}
	if reloads < 5 {
		t.Errorf("%d reloads: the histories are too tame", reloads)
	}
}

// history is a table whose rows change.
type history struct {
	random *rand.Rand
	order  string
	limit  int
	table  map[string]json.RawMessage
}

func newHistory(random *rand.Rand, order string) *history {
	h := &history{random: random, order: order, limit: 1 + random.IntN(6), table: make(map[string]json.RawMessage)}
	for range 30 {
		h.table[strconv.Itoa(random.IntN(60))] = h.row()
	}
	return h
}

func (h *history) row() json.RawMessage {
	n := "null"
	if h.random.IntN(4) > 0 {
		n = strconv.Itoa(h.random.IntN(20))
	}
	return json.RawMessage(fmt.Sprintf(`{"n":%s,"mood":%q}`, n, []string{"zz", "aa"}[h.random.IntN(2)]))
}

func (h *history) change() map[string]rowState {
	states := make(map[string]rowState)
	for range 1 + h.random.IntN(4) {
		key := strconv.Itoa(h.random.IntN(60))
		states[key] = rowState{}
		delete(h.table, key)
		if h.random.IntN(2) == 0 {
			h.table[key] = h.row()
			states[key] = rowState{row: h.table[key]}
		}
	}
	return states
}

func (h *history) list() []*entry {
	o := newRowOrder(h.order, ordered)
	var all []*entry
	for key, row := range h.table {
		all = append(all, o.entry(key, row))
	}
	slices.SortFunc(all, o.compare)
	return all
}

func (h *history) load() *window {
	all := h.list()
	held, bound := all[:min(windowSize(h.limit), len(all))], (*entry)(nil)
	if len(all) > len(held) {
		bound = held[len(held)-1]
	}
	return newWindow(newRowOrder(h.order, ordered), h.limit, slices.Clone(held), bound)
}

func textOf(entries []*entry) string {
	text := ""
	for _, e := range entries {
		text += e.key + string(e.row) + " "
	}
	return text
}

func TestSnapshots(t *testing.T) {
	s := parseSnapshot("100:105:101,103")
	for xid, want := range map[string]bool{"99": true, "100": true, "101": false, "104": true, "105": false, "": false, "x": false, "-1": false} {
		if s.contains(xid) != want {
			t.Errorf("contains(%q) = %v", xid, !want)
		}
	}
	for _, text := range []string{"", "1", "1:x:", "1:2"} {
		if parseSnapshot(text).contains("1") {
			t.Errorf("%q contains 1", text)
		}
	}
}
