package triggers

import (
	"fmt"
	"strings"
)

// rowBody generates the body of the function that runs for each row. PostgreSQL calls it in the order in
// which the statement touched the rows.
func rowBody(t Table, rel relation) string {
	if t.AbortOnError {
		return body(rel.name, keyVariable(t)+t.moves.variables(rowSections(t)), t.moves.comment()+directSteps(t, rel))
	}
	return body(rel.name, keyVariable(t)+guardVariables(rowSections(t), t), t.moves.comment()+guardedSteps(t, rel))
}

// comment names the collection.
func (m moves) comment() string {
	if m.name == "" {
		return ""
	}
	return definitionPrefix + m.name + ".\n"
}

func keyVariable(t Table) string {
	if t.isWatched(opUpdate) {
		return "key_changed pg_catalog.bool = false;\n"
	}
	return ""
}

// checkTable generates the statements that refuse to report the rows of another table: after a swap by
// renaming, the trigger is still on the old table, whose rows are no longer those of the watched one. Copies
// of the trigger on partitions and children run for tables of other names, so they cannot tell.
func checkTable(rel relation) []string {
	if rel.partitioned || len(rel.children) > 0 {
		return nil
	}
	return []string{fmt.Sprintf(`if tg_relid operator(pg_catalog.<>) %s::pg_catalog.oid then
    raise undefined_table using message = %s;
end if;`, rel.name.regclass(), quoteLiteral("table "+rel.name.String()+" was renamed, and another one has its name"))}
}

// directSteps generates the steps of a function in which an error fails the application's write.
func directSteps(t Table, rel relation) string {
	var steps []string
	if t.isWatched(opUpdate) {
		steps = append(steps, skipUnchanged)
	}
	steps = append(steps, checkTable(rel)...)
	if t.isWatched(opUpdate) {
		steps = append(steps, lookAtKey(rel))
	}
	for _, s := range rowSections(t) {
		steps = append(steps, s.direct(t, rel))
	}
	return strings.Join(steps, "\n")
}

const skipUnchanged = `-- A row that did not change gives no event. *= compares row images, since not every type has an
-- equality operator.
if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
    return null;
end if;`

// lookAtKey generates the statement that sets key_changed.
func lookAtKey(rel relation) string {
	return fmt.Sprintf("if tg_op operator(pg_catalog.=) 'UPDATE' then\n    key_changed = %s;\nend if;",
		strings.ReplaceAll(keyChanged(rel), "\n", "\n    "))
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
`, indent(strings.TrimSuffix("written pg_catalog.bool = false;\n"+variables, "\n"), 1), indent(steps, 1), indent(wakeUp(table), 1)))
}
