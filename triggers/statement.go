package triggers

import (
	"fmt"
	"strings"
)

// insertInto begins every statement.
const insertInto = "insert into pgherald.events (type, key, audience, data)\n"

// insertColumns begins a statement that fills further columns.
func insertColumns(columns []string) string {
	return strings.Replace(insertInto, "data)", strings.Join(append([]string{"data"}, columns...), ", ")+")", 1)
}

// values are the SQL of what an event consists of, besides its type.
type values struct {
	key, audience, data string
}

// eventValues generates the values of an event. In its SQL, n and o are the rows, and payload is the row of
// the payload's fields.
func eventValues(rel relation, event Event) values {
	v := values{key: rowKey(rel, "n"), audience: "null::pg_catalog.text[]", data: "pg_catalog.to_json(n.*)"}
	if event.Key != "" {
		v.key = embed(event.Key) + "::pg_catalog.text"
	}
	if event.Audience != "" {
		// A null audience would mean every client: an expression that yields null denies every client instead.
		v.audience = "coalesce(" + embed(event.Audience) + ", '{}')"
	}
	if len(event.Payload) > 0 {
		v.data = "pg_catalog.to_json(payload.*)" // the .* makes it a row, even if a column has the same name
	}
	return v
}

// insertEvent generates the statement that computes an event and writes it.
func insertEvent(rel relation, event Event, from string) string {
	v := eventValues(rel, event)
	list := "select\n" + indent(strings.Join([]string{quoteLiteral(event.Type), v.key, v.audience, v.data}, ",\n"), 1) + "\n"
	return insertInto + list + sources(rel, event, from)
}

// insertMoved is insertEvent with further columns. The event is a subquery, so that no column of a joined table can take the
// place of a variable.
func insertMoved(rel relation, event Event, from string, columns, values []string) string {
	if len(columns) == 0 {
		return insertEvent(rel, event, from)
	}
	inner := strings.TrimPrefix(insertEvent(rel, event, from), insertInto)
	return fmt.Sprintf("%sselect event.type, event.key, event.audience, event.data, %s\nfrom (\n%s\n) as event (type, key, audience, data)",
		insertColumns(columns), strings.Join(values, ", "), indent(inner, 1))
}

// sources generates the FROM and WHERE clauses of an event. from is its FROM clause without the payload, or
// empty: then the names n and o mean variables of plpgsql.
func sources(rel relation, event Event, from string) string {
	if len(event.Payload) > 0 {
		payload := "(\n" + indent(payloadRow(event), 1) + "\n) as payload\n"
		if from == "" {
			from = "from " + payload
		} else {
			from += "cross join lateral " + payload
		}
	}
	return strings.TrimSuffix(from+conditions(rel, event), "\n")
}

// joined generates the FROM clause of the joins, which follow a row without columns.
func joined(t Table) string {
	if len(t.Joins) == 0 {
		return ""
	}
	return "from (select) as row\n" + joinsSQL(t.Joins)
}

// rowKey generates the key of a row as text. Rows of a table without a key have none.
func rowKey(rel relation, row string) string {
	if len(rel.key) == 0 {
		return "null::pg_catalog.text"
	}
	columns := make([]string, len(rel.key))
	for i, k := range rel.key {
		columns[i] = hideLineBreaks(column(row, k))
	}
	if len(columns) == 1 {
		return columns[0] + "::pg_catalog.text"
	}
	return "pg_catalog.json_build_array(" + strings.Join(columns, ", ") + ")::pg_catalog.text"
}

// payloadRow generates the payload as a row. Unlike json_build_object, a row has no limit of 50 fields, and
// each field reads as in any SELECT.
func payloadRow(event Event) string {
	fields := make([]string, len(event.Payload))
	for i, f := range event.Payload {
		fields[i] = embed(f.SQL) + " as " + quoteIdent(f.Name)
	}
	return "select\n" + indent(strings.Join(fields, ",\n"), 1)
}

// conditions generates the WHERE clause of an event. It always names the table, although this is never
// null: PostgreSQL then plans the statement again in every session when the table changes. Otherwise a
// column whose type has changed would make each write of an older session fail.
func conditions(rel relation, event Event) string {
	text := "where " + tableExists(rel) + "\n"
	if event.When != "" {
		text += "    and " + embed(event.When) + "\n"
	}
	return text
}

// tableExists generates a condition that is true, and that makes a plan depend on the table.
func tableExists(rel relation) string {
	return rel.name.regclass() + " is not null"
}

// keyChanged generates the condition that an update changed the text of the key. The equality operator of
// the key's type would not do: it may find two texts equal that clients tell apart. A key that has become
// nullable since counts as changed.
func keyChanged(rel relation) string {
	return fmt.Sprintf("coalesce(%s operator(pg_catalog.<>) %s collate pg_catalog.\"C\", true)\n    and %s",
		rowKey(rel, "new"), rowKey(rel, "old"), tableExists(rel))
}
