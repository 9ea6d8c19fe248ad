package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// definitionPrefix begins the line of a function that says of which collection its events are, and how that is defined:
// a server whose spec is not the installed one finds there whether it may serve the collection.
const definitionPrefix = "-- The collection "

// definition returns the hash of what the rows of a collection depend on.
func (t Table) definition(rel relation) string {
	row := t.rowFields(rel)
	if t.isWholeRow(rel) {
		row = nil // lists and events show a new column at once
	}
	text, err := json.Marshal([]any{t.collectionTypes(), t.Truncate.Type, rel.key, row, t.Update[0].Audience, t.Joins})
	if err != nil {
		panic("encode a collection: " + err.Error()) // it holds texts and lists only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// isWholeRow reports that the events of a collection show to_json(n.*).
func (t Table) isWholeRow(rel relation) bool {
	return len(t.Row) == 0 && len(t.withBigints(rel).withOneShape(rel).Update[0].Payload) == 0
}

// collectionOf returns the name of the collection that an installed function belongs to, with the hash of its definition.
// It is empty if the function has none.
func (f installedFunction) collectionOf() string {
	_, rest, ok := strings.Cut(f.body, definitionPrefix)
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(line, ".")
}

// refuseCollections adds a mistake to each table of the spec whose collection has the name of another spec's.
func (found installed) refuseCollections(spec string, tables []resolved) {
	taken := map[string]owner{}
	for _, f := range found.functions {
		name, _, _ := strings.Cut(f.collectionOf(), " ")
		if o, known := found.owners[f.name]; known && o.spec != spec && name != "" {
			taken[name] = o
		}
	}
	for i, r := range tables {
		if by, ok := taken[r.table.Collection]; ok {
			tables[i].addMistake("spec %s has the collection %s, and so has spec %s, for table %s: name one of them differently",
				spec, r.table.Collection, by.spec, by.table)
		}
	}
}

// logs reports whether an installed function logs the former values of a filter field.
func (f installedFunction) logs(field filterField) bool {
	return strings.Contains(f.body, restoreLineBreaks(field.member("old")))
}

// withLogged returns the table with those of its filter fields whose former values an installed function logs, and the names of
// the others.
func (t Table) withLogged(have installedFunction, rel relation) (logged Table, others []string) {
	fields, _ := t.filterFields(rel)
	t.FilterAll, t.Filter = false, nil
	for _, f := range fields {
		if slices.Contains(rel.key, f.column) || have.logs(f) {
			t.Filter = append(t.Filter, f.Name)
		} else {
			others = append(others, f.Name)
		}
	}
	return t, others
}

// unlogged returns the filter fields that are all by which the installed function of a collection differs from the wanted
// one: such as those of columns that were added since. Its events are right.
func (r resolved) unlogged(found installed) []string {
	name := functionName(r.table.Name, opRow)
	have, ok := found.function(name)
	if r.table.Collection == "" || len(r.mistakes) > 0 || !ok {
		return nil
	}
	logged, others := r.table.withLogged(have, r.rel)
	for _, f := range generate(logged, r.rel).functions {
		if f.name == name && have.same(f) {
			return others
		}
	}
	return nil
}
