package triggers

import "slices"

// JavaScript reads a number beyond 2^53 as another one. With `bigint: text`, payloads show columns of type
// bigint as strings. Expressions are left alone: the spec can cast them.

// bigintCast returns the cast that makes the values of a type exact in JavaScript, or an empty string.
func (ts types) bigintCast(oid uint32) string {
	t := ts[oid]
	switch {
	case t.builtin && t.name == "int8":
		return "pg_catalog.text"
	case t.kind == "d" && len(t.parts) == 1:
		return ts.bigintCast(t.parts[0])
	case t.array && len(t.parts) == 1 && ts.bigintCast(t.parts[0]) == "pg_catalog.text":
		return "pg_catalog.text[]"
	}
	return ""
}

// withBigints returns the table with casts of bigint columns, if the spec wants them. The default payload then
// names every column.
func (t Table) withBigints(rel relation) Table {
	if !t.BigintAsText || len(rel.bigints) == 0 {
		return t
	}
	t.Insert, t.Update, t.Delete = castEvents(t.Insert, rel), castEvents(t.Update, rel), castEvents(t.Delete, rel)
	return t
}

func castEvents(events []Event, rel relation) []Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].Payload = castFields(events[i].Payload, rel)
	}
	return events
}

func castFields(fields []Field, rel relation) []Field {
	if len(fields) == 0 {
		for _, name := range rel.columns {
			fields = append(fields, Field{Name: name, SQL: column("n", name)})
		}
	}
	fields = slices.Clone(fields)
	for i, f := range fields {
		if _, name, ok := plainColumn(f.SQL); ok && rel.bigints[name] != "" {
			fields[i].SQL += "::" + rel.bigints[name]
		}
	}
	return fields
}
