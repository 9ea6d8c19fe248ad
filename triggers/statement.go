package triggers

import (
	"fmt"
	"strings"
)

// section is the part of a row function that writes the events of one operation.
type section struct {
	comment string
	events  []Event
	// n and o name the records of plpgsql that the expressions call n and o. An empty o is a row of nulls.
	n, o string
}

// sql generates the section: a block that names the rows, and one statement for each event.
func (s section) sql(t Table, rel relation) string {
	var names, steps strings.Builder
	names.WriteString("n alias for " + s.n + ";\n")
	if s.usesOld(t) {
		names.WriteString(s.oldRow(rel))
	}
	for _, event := range s.events {
		steps.WriteString(insertInto + eventQuery(rel, event, joined(t)) + ";\n")
		steps.WriteString("written = written or found;\n")
	}
	text := "declare\n" + indent(strings.TrimSuffix(names.String(), "\n"), 1) +
		"\nbegin\n" + indent(strings.TrimSuffix(steps.String(), "\n"), 1) + "\nend;"
	if s.comment != "" {
		text = "-- " + s.comment + "\n" + text
	}
	return text
}

func (s section) usesOld(t Table) bool {
	for _, event := range s.events {
		if usesOld(t, event) {
			return true
		}
	}
	return false
}

// oldRow declares o. A variable without a value is a row of nulls.
func (s section) oldRow(rel relation) string {
	if s.o == "" {
		return "o " + rel.name.String() + ";\n"
	}
	return "o alias for " + s.o + ";\n"
}

// eventQuery generates the SELECT of one event. from is its FROM clause without the payload, or empty: then
// the names n and o mean variables of plpgsql.
func eventQuery(rel relation, event Event, from string) string {
	if len(event.Payload) > 0 {
		payload := "(\n" + indent(payloadRow(event), 1) + "\n) as payload\n"
		if from == "" {
			from = "from " + payload
		} else {
			from += "cross join lateral " + payload
		}
	}
	return strings.TrimSuffix(selectList(rel, event)+from+conditions(rel, event), "\n")
}

// joined generates the FROM clause of the joins, which follow a row without columns.
func joined(t Table) string {
	if len(t.Joins) == 0 {
		return ""
	}
	return "from (select) as row\n" + joinsSQL(t.Joins)
}

// selectList generates the values of an event: type, key, audience and data.
func selectList(rel relation, event Event) string {
	// The .* makes these rows, even if a column has the same name.
	data := "pg_catalog.to_json(payload.*)"
	if len(event.Payload) == 0 {
		data = "pg_catalog.to_json(n.*)"
	}
	audience := "null::pg_catalog.text[]"
	if event.Audience != "" {
		// A null audience would mean every client: an expression that yields null denies every client instead.
		audience = "coalesce(" + embed(event.Audience) + ", '{}')"
	}
	items := []string{quoteLiteral(event.Type), eventKey(rel, event), audience, data}
	return "select\n" + indent(strings.Join(items, ",\n"), 1) + "\n"
}

func eventKey(rel relation, event Event) string {
	if event.Key != "" {
		return embed(event.Key) + "::pg_catalog.text"
	}
	return rowKey(rel, "n")
}

// rowKey generates the key of a row as text.
func rowKey(rel relation, row string) string {
	columns := make([]string, len(rel.key))
	for i, k := range rel.key {
		columns[i] = row + "." + quoteIdent(k.name)
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
// the key's type would not do: it may find two texts equal that clients tell apart.
func keyChanged(rel relation) string {
	return fmt.Sprintf("%s operator(pg_catalog.<>) %s collate pg_catalog.\"C\"\n    and %s",
		rowKey(rel, "new"), rowKey(rel, "old"), tableExists(rel))
}
