package triggers

import (
	"fmt"
	"strings"
)

// rowBody is the body of the function for an insert, update or delete.
func rowBody(t Table, rel relation, op string) string {
	if op == opUpdate && len(t.Update) > 0 {
		return body(op, rel.name, updateSteps(t, rel))
	}
	return body(op, rel.name, step(statement(t, rel, op)))
}

// step is a statement that writes events, and counts them.
func step(statement string) string {
	return statement + ";\nget diagnostics written = row_count;"
}

// updateSteps are those of an update. Most are of one row, and there the full join that pairs any
// number of rows, with a branch for keys that change, costs as much as all the rest.
func updateSteps(t Table, rel relation) string {
	return fmt.Sprintf(`-- Fast path: one row, and its key did not change.
if not exists (select from new_rows offset 1) then
%s
end if;
if written = 0 then
%s
end if;`, indent(step(oneRowStatement(t, rel)), 1), indent(step(statement(t, rel, opUpdate)), 1))
}

// body wraps the steps that write the events into plpgsql. A column of the spec that is called like a
// variable here means the column.
func body(op string, table Name, steps string) string {
	return release(fmt.Sprintf(`
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

// leaderLock is the advisory lock of the notify leader: the server that polls the log every few
// milliseconds while writers write often, and sends the wake-ups for them. Package db/notify has the same
// number, and the proof that no event is late.
const leaderLock int64 = 0x7067686572616c02

// wakeUp generates the NOTIFY of a statement that wrote events. A writer skips it while the notify
// leader holds its lock, because a COMMIT with a NOTIFY takes a lock of the whole cluster. The payload
// is bounded, since Postgres refuses a NOTIFY of 8000 bytes and the write would fail.
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

// insertInto is how every statement begins.
const insertInto = "insert into pgherald.events (type, key, audience, data)\n"

// truncateBody is the body of the function for TRUNCATE on one table of the tree of t.
func truncateBody(t Table, rel relation, member Name) string {
	if t.Truncate.AsDeletes {
		return body(opTruncate, rel.name, step(truncatedRows(t, rel, member)))
	}
	return body(opTruncate, rel.name, step(truncatedTable(t, member)))
}

// truncatedRows gives the delete events. It runs before the rows are gone, and reads them from the
// table itself.
func truncatedRows(t Table, rel relation, member Name) string {
	return fmt.Sprintf("with old_rows as (select * from only %s)\n", member) + statement(t, rel, opDelete)
}

// truncatedTable gives one event. A TRUNCATE of a parent fires here for every partition as well,
// the parent first: whoever was just told that the whole table is empty need not hear of its parts.
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

// A line break inside a string or a quoted name must survive indenting: hold hides those of an
// expression behind a byte that no SQL can have, and release brings them back in the end.
func hold(expr string) string    { return strings.ReplaceAll(expr, "\n", "\x00") }
func release(text string) string { return strings.ReplaceAll(text, "\x00", "\n") }

// indent moves every line but empty ones to the right.
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
