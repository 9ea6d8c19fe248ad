package triggers

import "fmt"

// truncateBody generates the body of the function for a TRUNCATE of member: t itself or a partition of it.
func truncateBody(t Table, rel relation, member Name) string {
	if t.Truncate.AsDeletes {
		variables := "gone " + member.String() + ";\n"
		sections := []section{{op: opDelete, events: t.Delete}}
		if t.AbortOnError {
			variables += t.moves.variables(sections)
		} else {
			variables += guardVariables(sections, t)
		}
		return body(rel.name, variables, truncatedRows(t, rel, member))
	}
	return body(rel.name, "", truncatedTable(t, member)+";\nwritten = found;")
}

// truncatedRows generates the loop that writes the delete events. It runs before the TRUNCATE and reads
// the rows from the table itself.
func truncatedRows(t Table, rel relation, member Name) string {
	one := section{op: opDelete, events: t.Delete, n: "gone", o: "gone"}
	steps := one.direct(t, rel)
	if !t.AbortOnError {
		key := ""
		if t.showsKey() {
			key = rowKey(rel, "gone")
		}
		inside := []string{one.guarded(t, rel)}
		steps = "failed = null;\n" + guard(inside) + "\n" + outcome(t, []section{one}, key)
	}
	return fmt.Sprintf("for gone in select * from only %s loop\n%s\nend loop;", member, indent(steps, 1))
}

// truncatedTable generates the statement that writes one event. A TRUNCATE of a parent also fires the
// triggers of its partitions, after its own: the statement of a partition skips its event if the event
// for the whole table precedes it.
func truncatedTable(t Table, member Name) string {
	typ, table := quoteLiteral(t.Truncate.Type), quoteLiteral(t.Name.String())
	if member == t.Name {
		return fmt.Sprintf(`%sselect %s, null, null, to_json(payload.*)
from (select %s as "table") as payload`, insertInto, typ, table)
	}
	return fmt.Sprintf(`%[1]sselect %[2]s, null, null, to_json(payload.*)
from (select %[3]s as "table", %[4]s as partition) as payload
-- Skip the event if the last event of this transaction reports the whole table as truncated.
where not pgherald.truncated(%[2]s, %[3]s)`, insertInto, typ, table, quoteLiteral(member.String()))
}
