package triggers

import (
	"fmt"
	"maps"
	"slices"
)

// Where the spec leaves columns out, also those that look sensitive, a function names the columns that it shows. One that
// is added to the table later is in no event until the next apply has decided about it. Columns are added at the end, so
// a function lacks some if it equals that of the table without its last ones. Its events are right, and the table's list
// shows the same columns until then.

// withoutLast returns the table as it was before its last n columns were added. ok is false if it was no such table:
// if the key has one of them, or the events show no other column.
func (t Table) withoutLast(n int, rel relation) (older Table, olderRel relation, ok bool) {
	kept := len(rel.columns) - n
	if kept < 1 {
		return t, rel, false
	}
	last := rel.columns[kept:]
	rel.columns = rel.columns[:kept]
	rel.spelling, rel.bigints, rel.types = maps.Clone(rel.spelling), maps.Clone(rel.bigints), maps.Clone(rel.types)
	for _, c := range last {
		if slices.Contains(rel.key, c) {
			return t, rel, false
		}
		delete(rel.spelling, c)
		delete(rel.bigints, c)
		delete(rel.types, c)
	}
	if t.isNamed {
		t.Insert, t.Update, t.Delete = withoutColumns(t.Insert, last), withoutColumns(t.Update, last), withoutColumns(t.Delete, last)
	}
	// A payload without fields would mean all columns.
	isAll := func(e Event) bool { return t.isNamed && len(e.Payload) == 0 }
	return t, rel, !slices.ContainsFunc(t.RowEvents(), isAll)
}

// withoutColumns returns the events without the fields that show one of the columns.
func withoutColumns(events []Event, columns []string) []Event {
	events = slices.Clone(events)
	isOne := func(f Field) bool { return slices.Contains(columns, f.Name) && f == columnFields([]string{f.Name})[0] }
	for i := range events {
		events[i].Payload = slices.DeleteFunc(slices.Clone(events[i].Payload), isOne)
	}
	return events
}

// newColumns returns the columns that were added since the installed functions of the table were made and that they will
// show, if these are all by which the functions differ from the wanted ones.
func (r resolved) newColumns(found installed) []string {
	want := r.objects()
	if len(r.mistakes) > 0 || !slices.ContainsFunc(want.functions, found.differs) {
		return nil
	}
	for n := 1; ; n++ {
		t, rel, ok := r.table.withoutLast(n, r.rel)
		if !ok {
			return nil
		}
		older := generate(t, rel)
		isOther := func(f function) bool { return found.differs(f) && !older.hasBody(f.name, found) }
		if !slices.ContainsFunc(want.functions, isOther) {
			return r.shownOf(r.rel.columns[len(rel.columns):])
		}
	}
}

// shownOf returns those of the columns that the events show.
func (r resolved) shownOf(columns []string) []string {
	if !r.table.isNamed {
		return columns
	}
	var shown []string
	for _, e := range r.table.RowEvents() {
		for _, f := range e.Payload {
			if slices.Contains(columns, f.Name) && !slices.Contains(shown, f.Name) {
				shown = append(shown, f.Name)
			}
		}
	}
	return shown
}

// differs reports whether a function is installed, and is another one than the wanted.
func (found installed) differs(want function) bool {
	have, ok := found.function(want.name)
	return ok && !have.same(want)
}

// hasBody reports whether the installed function of this name is one of the objects.
func (objs objects) hasBody(name string, found installed) bool {
	have, _ := found.function(name)
	return slices.ContainsFunc(objs.functions, func(f function) bool { return f.name == name && have.same(f) })
}

// markNewColumns says of the changed functions of a table that they lack columns, and nothing else.
func markNewColumns(changes []change, table Name, columns []string) {
	for i, c := range changes {
		if c.kind == KindDiffers && c.created != "" {
			changes[i].kind = KindNewColumns
			changes[i].drift = fmt.Sprintf("the events of %s lack its new columns %s", table, columnList(columns))
		}
	}
}

// asInstalled returns the table as its installed function shows it: without the columns that were added since.
func (found installed) asInstalled(t Table, rel relation) (Table, relation) {
	f, ok := found.function(functionName(t.Name, opRow))
	if !ok {
		return t, rel
	}
	have := f.collectionOf()
	for n := 0; ; n++ {
		older, olderRel, ok := t.withoutLast(n, rel)
		if !ok {
			return t, rel
		}
		if older.withMoves(olderRel).moves.name == have {
			return older, olderRel
		}
	}
}
