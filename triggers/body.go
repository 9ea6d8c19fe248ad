package triggers

import (
	"fmt"
	"strings"
)

// rowBody generates the body of the function that runs for each row. PostgreSQL calls it in the order in
// which the statement touched the rows.
func rowBody(t Table, rel relation) string {
	var steps []string
	if t.isWatched(opUpdate) {
		steps = append(steps, updatePreamble(t, rel))
	}
	steps = append(steps, sections(t, rel)...)
	return body(rel.name, rowVariables(t), strings.Join(steps, "\n"))
}

func rowVariables(t Table) string {
	if t.isWatched(opUpdate) {
		return "key_changed pg_catalog.bool = false;\n"
	}
	return ""
}

// updatePreamble generates what an update does first: it skips unchanged rows and looks at the key.
func updatePreamble(t Table, rel relation) string {
	return fmt.Sprintf(`if tg_op operator(pg_catalog.=) 'UPDATE' then
    -- Skip a row that did not change. *= compares row images, since not every type has an equality
    -- operator.
    if new operator(pg_catalog.*=) old then
        return null;
    end if;
    key_changed = %s;
end if;`, strings.ReplaceAll(keyChanged(rel), "\n", "\n    "))
}

// sections generates the sections of the watched operations. A changed key counts as a delete of the old
// key and an insert of the new one, in this order. If inserts are not watched, the new key gives the
// update event, with o all null.
func sections(t Table, rel relation) []string {
	var list []string
	add := func(when string, s section) {
		list = append(list, fmt.Sprintf("if %s then\n%s\nend if;", when, indent(s.sql(t, rel), 1)))
	}
	is := func(op string) string { return "tg_op operator(pg_catalog.=) '" + strings.ToUpper(op) + "'" }
	or := func(op string) string {
		if t.isWatched(opUpdate) {
			return is(op) + " or key_changed"
		}
		return is(op)
	}
	if t.isWatched(opDelete) {
		add(or(opDelete), section{events: t.Delete, n: "old", o: "old"})
	}
	if t.isWatched(opInsert) {
		add(or(opInsert), section{events: t.Insert, n: "new"})
	}
	if !t.isWatched(opUpdate) {
		return list
	}
	changed := section{events: t.Update, n: "new", o: "old"}
	switch moved := (section{events: t.Update, n: "new"}); {
	case t.isWatched(opInsert):
		add(is(opUpdate)+" and not key_changed", changed)
	case changed.usesOld(t):
		add(is(opUpdate)+" and not key_changed", changed)
		moved.comment = "The key changed, and no event reports the new key."
		add("key_changed", moved)
	default:
		add(is(opUpdate), changed)
	}
	return list
}

// body wraps the steps that write events into plpgsql. If a column of the spec has the name of a variable,
// the name means the column.
func body(table Name, variables, steps string) string {
	return restoreLineBreaks(fmt.Sprintf(`
#variable_conflict use_column
declare
%s
begin
%s
%s
    return null;
end
`, indent("written pg_catalog.bool = false;\n"+strings.TrimSuffix(variables, "\n"), 1), indent(steps, 1), indent(wakeUp(table), 1)))
}

// insertInto begins every statement.
const insertInto = "insert into pgherald.events (type, key, audience, data)\n"
