package triggers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// An update can move a row into or out of what a client selected or may see. So the event of an update holds the former
// values of the filter fields that it changed, and the former audience. An update that changes neither pays for a
// comparison of the columns. The event of a delete holds the filter fields that its payload lacks.

// moves says what the events of a collection hold for that. The zero value is nothing.
type moves struct {
	name     string        // of the collection, with the hash of its definition
	filter   []filterField // whose former values an update logs: not those of the key, which it does not change
	missing  []filterField // that a delete logs, because its payload lacks them
	audience []string      // the columns on which the audience depends
}

// maxFilterText is the length to which former texts are cut: longer than any value of a filter, so that they still
// differ from it.
const maxFilterText = 1001

// withMoves returns the table with what its events log for filters.
func (t Table) withMoves(rel relation) Table {
	if t.Collection == "" || t.checkCollection() != nil {
		return t
	}
	t.moves.name = t.Collection + " " + t.definition(rel)
	fields, _ := t.filterFields(rel)
	t.moves.filter = slices.DeleteFunc(slices.Clone(fields), func(f filterField) bool { return slices.Contains(rel.key, f.column) })
	t.moves.audience = t.audienceColumns(rel)
	shown := t.withBigints(rel).Delete[0].Payload
	for _, f := range fields {
		if same, ok := findField(shown, f.Name); len(shown) > 0 && (!ok || same != f.Field) {
			t.moves.missing = append(t.moves.missing, f)
		}
	}
	return t
}

// audienceColumns returns the columns that the audience may look at. Where none of them changes, the audience does not change either.
func (t Table) audienceColumns(rel relation) []string {
	audience := t.Update[0].Audience
	if audience == "" {
		return nil
	}
	return columnsIn(audience+" "+joinsSQL(t.Joins), rel)
}

// columnsIn returns the columns of a table that SQL may look at: those whose names are anywhere in it, or all if it uses the
// row as a whole.
func columnsIn(sql string, rel relation) []string {
	text := strings.ToLower(sql)
	if hasWholeRow(text) || strings.Contains(text, `u&"`) {
		return rel.columns
	}
	var columns []string
	for _, c := range rel.columns {
		if strings.Contains(text, strings.ToLower(c)) || text != " " && strings.Contains(c, `"`) {
			columns = append(columns, c)
		}
	}
	return columns
}

// hasWholeRow reports whether n is anywhere in a text without a column after it.
func hasWholeRow(text string) bool {
	for i := range len(text) {
		before := i == 0 || !isIdentByte(text[i-1], false) && text[i-1] != '.'
		if text[i] != 'n' || !before || i+1 < len(text) && isIdentByte(text[i+1], false) {
			continue
		}
		rest := strings.TrimSpace(text[i+1:])
		if !strings.HasPrefix(rest, ".") || strings.HasPrefix(strings.TrimSpace(rest[1:]), "*") {
			return true
		}
	}
	return false
}

// variables declares what the sections of a function compute beside their events.
func (m moves) variables(sections []section) string {
	var b strings.Builder
	has := func(op string) bool { return slices.ContainsFunc(sections, func(s section) bool { return s.op == op }) }
	if has(opUpdate) && len(m.filter) > 0 {
		b.WriteString("updated_was pg_catalog.json;\n")
	}
	if has(opUpdate) && len(m.audience) > 0 {
		b.WriteString("updated_audience_was pg_catalog.text[];\naudience_now pg_catalog.text[];\n")
	}
	if has(opDelete) && len(m.missing) > 0 {
		b.WriteString("deleted_was pg_catalog.json;\n")
	}
	return b.String()
}

// columns returns the columns of the log that the events of an operation fill beside the usual ones, with their SQL.
func (m moves) columns(op string) (columns, values []string) {
	if op == opUpdate && len(m.filter) > 0 {
		columns, values = append(columns, "was"), append(values, "updated_was")
	}
	if op == opUpdate && len(m.audience) > 0 {
		columns, values = append(columns, "audience_was"), append(values, "updated_audience_was")
	}
	if op == opDelete && len(m.missing) > 0 {
		columns, values = append(columns, "was"), append(values, "deleted_was")
	}
	return columns, values
}

// moves generates the statements that compute what the event of the section logs beside its data.
func (s section) moves(t Table, rel relation) []string {
	var statements []string
	if s.op == opUpdate && len(t.moves.filter) > 0 {
		statements = append(statements, formerFields(t.moves.filter, rel))
	}
	if s.op == opUpdate && len(t.moves.audience) > 0 {
		statements = append(statements, formerAudience(t, rel))
	}
	if s.op == opDelete && len(t.moves.missing) > 0 {
		var members []string
		for _, f := range t.moves.missing {
			members = append(members, f.member(s.n))
		}
		statements = append(statements, fmt.Sprintf("-- The fields by which clients filter and which the data lacks.\ndeleted_was = %s;", jsonObject(members, rel)))
	}
	return statements
}

// formerFields generates the statement that computes the former values of the filter fields that an update changed.
func formerFields(fields []filterField, rel relation) string {
	columns, members := make([]string, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		columns[i] = f.column
		members[i] = f.member("old")
		if len(fields) > 1 {
			members[i] = fmt.Sprintf("case when %s\n    then %s end", f.isChanged(), members[i])
		}
	}
	slices.Sort(columns)
	return fmt.Sprintf(`-- The former values of the fields by which clients filter.
if %s
then
    updated_was = %s;
end if;`, isAnyChanged(slices.Compact(columns))+"\n    and "+tableExists(rel), strings.ReplaceAll(jsonObject(members, rel), "\n", "\n    "))
}

// isAnyChanged generates the condition that an update changed one of the columns. *<> compares the bytes of rows, whatever
// operators their types have. Without the casts it would compare column by column.
func isAnyChanged(columns []string) string {
	before, after := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		before[i], after[i] = hideLineBreaks(column("old", c)), hideLineBreaks(column("new", c))
	}
	return fmt.Sprintf("row(%s)::pg_catalog.record\n    operator(pg_catalog.*<>) row(%s)::pg_catalog.record",
		strings.Join(after, ", "), strings.Join(before, ", "))
}

// isChanged generates the condition that an update changed the field, for filters. Where the type has an operator in
// pg_catalog, that costs a third of a comparison of rows; a domain over an enum has none.
func (f filterField) isChanged() string {
	if f.kind == collection.Enum {
		return strings.ReplaceAll(isAnyChanged([]string{f.column}), "\n    ", " ")
	}
	before, after, collate := hideLineBreaks(column("old", f.column)), hideLineBreaks(column("new", f.column)), ""
	if f.kind == collection.Text {
		collate = ` collate pg_catalog."C"`
	}
	return fmt.Sprintf("%[1]s operator(pg_catalog.<>) %[2]s%[3]s or (%[1]s is null) operator(pg_catalog.<>) (%[2]s is null)", after, before, collate)
}

// maxArguments is below the number of arguments that PostgreSQL passes to a function, 100.
const maxArguments = 90

// jsonObject generates an object of members, each the text "name":value or null. It makes the plan depend on the table.
func jsonObject(members []string, rel relation) string {
	begin, end := "pg_catalog.concat_ws(',',", ")"
	if len(members) > maxArguments {
		begin, end = "pg_catalog.array_to_string(array[", "], ',')"
	}
	return fmt.Sprintf("case when %s then\n    pg_catalog.concat('{', %s\n%s\n    %s, '}')::pg_catalog.json\nend",
		tableExists(rel), begin, indent(strings.Join(members, ",\n"), 2), end)
}

// member generates the text of a member of an object, with the value that the field has in the row.
func (f filterField) member(row string) string {
	value := hideLineBreaks(column(row, f.column))
	switch {
	case strings.HasSuffix(f.SQL, "::pg_catalog.text"):
		value += "::pg_catalog.text"
	case f.kind == collection.Text:
		value = fmt.Sprintf("pg_catalog.left(%s, %d)", value, maxFilterText)
	}
	return fmt.Sprintf("pg_catalog.concat(%s, coalesce(pg_catalog.to_json(%s)::pg_catalog.text, 'null'))", quoteLiteral(jsonText(f.Name)+":"), value)
}

// formerAudience generates the statements that compute the former audience of a row, if the update changed it.
func formerAudience(t Table, rel relation) string {
	compute := func(target string) string {
		event := Event{Audience: t.Update[0].Audience}
		return fmt.Sprintf("select\n%s\ninto %s\n%s;", indent(eventValues(rel, event).audience, 1), target, sources(rel, event, joined(t)))
	}
	return fmt.Sprintf(`-- The clients that could receive the row before.
if %s
then
    declare
        n alias for old;
    begin
%s
    end;
%s
    if updated_audience_was operator(pg_catalog.=) audience_now then
        updated_audience_was = null;
    end if;
end if;`, isAnyChanged(t.moves.audience)+"\n    and "+tableExists(rel), indent(compute("updated_audience_was"), 2), indent(compute("audience_now"), 1))
}

// jsonText returns a text as JSON, with every character as itself where JSON allows that.
func jsonText(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic("encode a text: " + err.Error()) // texts have no reason to fail
	}
	return strings.TrimSuffix(b.String(), "\n")
}
