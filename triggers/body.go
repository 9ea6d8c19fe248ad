package triggers

import (
	"fmt"
	"strings"
)

// rowBody generates the body of the function for an insert, update or delete.
func rowBody(t Table, rel relation, op string) string {
	if op == opUpdate && len(t.Update) > 0 {
		return body(op, rel.name, updateSteps(t, rel))
	}
	return body(op, rel.name, step(statement(t, rel, op)))
}

// step generates a statement that writes events and counts them.
func step(statement string) string {
	return statement + ";\nget diagnostics written = row_count;"
}

// updateSteps generates the steps of an update: a fast path for one row, then the general statement. Most
// updates change one row, and for these the general statement would double the cost of the trigger: it
// pairs any number of rows with a full join and has branches for changed keys.
func updateSteps(t Table, rel relation) string {
	return fmt.Sprintf(`-- Fast path: one row, and its key did not change.
if not exists (select from new_rows offset 1) then
%s
end if;
if written = 0 then
%s
end if;`, indent(step(oneRowStatement(t, rel)), 1), indent(step(statement(t, rel, opUpdate)), 1))
}

// body wraps the steps that write events into plpgsql. If a column of the spec has the name of a variable,
// the name means the column.
func body(op string, table Name, steps string) string {
	return restoreLineBreaks(fmt.Sprintf(`
#variable_conflict use_column
declare
    written bigint = 0;
begin
%s
%s
    return null;
end
`, indent(steps, 1), indent(wakeUp(op, table), 1)))
}

// leaderLock is the key of the advisory lock of the notify leader: the server that polls the log every
// few milliseconds while writers commit often, and sends the wake-ups for them. It equals
// notify.LeaderLock. The documentation of package db/notify proves that every event gets a wake-up.
const leaderLock int64 = 0x7067686572616c02

// wakeUp generates the NOTIFY of a statement that wrote events. A writer skips it while the notify
// leader holds its lock, because a COMMIT with a NOTIFY takes a lock of the whole cluster. The payload
// is bounded, since PostgreSQL refuses a NOTIFY of 8000 bytes and the write would fail.
//
// The writer tries the lock after its insert: then the leader finds the events of every writer that
// saw the lock held. The writer takes and releases the lock within one expression, where no cancel
// can interrupt it: a session that kept the lock would keep leaders out.
func wakeUp(op string, table Name) string {
	return fmt.Sprintf(`-- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
-- the events and sends the wake-up.
if written > 0 and (case when pg_try_advisory_lock_shared(%[3]d) then pg_advisory_unlock_shared(%[3]d) end) then
    perform pg_notify('pgherald', json_build_object(
        'table', %[1]s,
        'op', %[2]s,
        'rows', written,
        'xid', pg_current_xact_id()::text
    )::text);
end if;`, quoteLiteral(table.String()), quoteLiteral(op), leaderLock)
}

// insertInto begins every statement.
const insertInto = "insert into pgherald.events (type, key, audience, data)\n"

// truncateBody generates the body of the function for a TRUNCATE of member: t itself or a partition of it.
func truncateBody(t Table, rel relation, member Name) string {
	if t.Truncate.AsDeletes {
		return body(opTruncate, rel.name, step(truncatedRows(t, rel, member)))
	}
	return body(opTruncate, rel.name, step(truncatedTable(t, member)))
}

// truncatedRows generates the statement that writes the delete events. It runs before the TRUNCATE and
// reads the rows from the table itself.
func truncatedRows(t Table, rel relation, member Name) string {
	return fmt.Sprintf("with old_rows as (select * from only %s)\n", member) + statement(t, rel, opDelete)
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
where not exists (
    select
    from (
        select events.type, events.data
        from pgherald.events
        where events.xid = pg_current_xact_id()
        order by events.id desc
        limit 1
    ) as last
    where last.type = %[2]s
        and last.data ->> 'table' = %[3]s
        and last.data ->> 'partition' is null
)`, insertInto, typ, table, quoteLiteral(member.String()))
}

// hideLineBreaks replaces line breaks by a byte that SQL cannot contain, so that indent does not change
// the strings and quoted names of expr.
func hideLineBreaks(expr string) string { return strings.ReplaceAll(expr, "\n", "\x00") }

// restoreLineBreaks restores the line breaks that hideLineBreaks replaced, in the finished text.
func restoreLineBreaks(text string) string { return strings.ReplaceAll(text, "\x00", "\n") }

// indent indents every line that is not empty.
func indent(text string, levels int) string {
	prefix := strings.Repeat("    ", levels)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = prefix + line
		}
	}
	return strings.Join(lines, "\n")
}
