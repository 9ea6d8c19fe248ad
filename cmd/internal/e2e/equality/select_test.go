package equality_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// fields has the values of the filter fields.
var fields = map[string]map[string][]string{
	"items": {
		"id": {"0", "1", "2", "3", "5", "21"}, "status": {"open", "paid", "a,b", `"x\`, ""}, "mood": {"glad", "so, so", "sad"}, "n": {"0", "1", "-5", "30000"},
		"total": {"0", "1.5", "1.50", "-2", "NaN", "12345678901234567890.5"}, "due": {"2026-01-01T00:00:00Z", "2026-06-01T00:00:00.000001+02:00", "infinity"}, "yes": {"true", "false"},
	},
	"tasks": {"state": {"new", "done"}, "n": {"1", "2", "3"}},
	"parts": {
		"region": {"north", "south", `so"uth`}, "id": {"0", "1", "2", "3", "20"}, "size": {"1", "2", "9007199254740993"}, "day": {"2026-01-01", "0044-03-15 BC", "infinity"},
	},
}

var sqlTypes = map[string]string{"id": "bigint", "status": "text", "mood": "public.mood", "n": "smallint", "state": "text", "total": "numeric", "due": "timestamptz", "yes": "boolean",
	"region": "text", "size": "bigint", "day": "date"}

// selection is a part of what a client selects.
type selection struct {
	id, collection string
	params         url.Values
	meaning        string // in SQL
	where          *collection.Where
}

func (w *world) newSelection(id string) *selection {
	w.Helper()
	s := &selection{id: id, collection: []string{"items", "items", "items", "parts", "tasks"}[w.rng.IntN(5)], params: url.Values{}}
	meanings := []string{"true"}
	for range w.rng.IntN(5) / 2 {
		name, text, meaning := w.condition(s.collection, false)
		s.params.Add("where."+name, text)
		meanings = append(meanings, meaning)
	}
	for range w.rng.IntN(3) / 2 {
		var items, either []string
		for range 1 + w.rng.IntN(3) {
			name, text, meaning := w.condition(s.collection, true)
			items, either = append(items, name+"."+text), append(either, meaning)
		}
		s.params.Add("any", "("+strings.Join(items, ",")+")")
		meanings = append(meanings, "("+strings.Join(either, " or ")+")")
	}
	s.meaning = strings.Join(meanings, " and ")
	var err error
	if s.where, err = collection.Parse(w.set.ByName(s.collection), s.params); err != nil {
		w.Fatalf("seed %d: %v", w.seed, err)
	}
	return s
}

// comparison returns a field and what a random comparison with it means.
func (w *world) comparison(table string) (name, meaning string) {
	name, _, meaning = w.condition(table, false)
	return name, meaning
}

// condition returns a random comparison, as a client writes it and as SQL.
func (w *world) condition(table string, quotes bool) (name, text, meaning string) {
	names := make([]string, 0, len(fields[table]))
	for field := range fields[table] {
		names = append(names, field)
	}
	slices.Sort(names)
	name = names[w.rng.IntN(len(names))]
	values := fields[table][name]
	draw := func() string { return values[w.rng.IntN(len(values))] }
	literal := func(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'::" + sqlTypes[name] }
	quote := func(v string) string {
		return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(v) + `"`
	}
	ops := []string{"eq", "eq", "neq", "in", "is"}
	if !slices.Contains([]string{"status", "state", "mood", "yes", "region"}, name) {
		ops = append(ops, "gt", "gte", "lt", "lte")
	}
	op, not := ops[w.rng.IntN(len(ops))], []string{"", "", "", "not."}[w.rng.IntN(4)]
	no := strings.Replace(not, ".", " ", 1)
	switch op {
	case "is":
		return name, not + "is.null", no + "(n." + name + " is null)"
	case "in":
		var words, literals []string
		for range 1 + w.rng.IntN(3) {
			v := draw()
			words, literals = append(words, quote(v)), append(literals, literal(v))
		}
		return name, not + "in.(" + strings.Join(words, ",") + ")", no + "(n." + name + " in (" + strings.Join(literals, ", ") + "))"
	}
	v := draw()
	symbol := map[string]string{"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
	meaning = fmt.Sprintf("%s(n.%s %s %s)", no, name, symbol, literal(v))
	if quotes {
		v = quote(v)
	}
	return name, not + op + "." + v, meaning
}
