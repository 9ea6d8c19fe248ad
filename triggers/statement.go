package triggers

import (
	"fmt"
	"slices"
	"strings"
)

// branch is one SELECT of a statement: it writes one event of the spec for the rows it selects.
type branch struct {
	comment string
	event   Event
	// n and o name the transition tables of the two rows. An empty o is a row of nulls.
	n, o string
	// where selects the rows of the branch.
	where string
}

// statement generates the INSERT that writes the events of one operation.
func statement(t Table, rel relation, op string) string {
	branches := branchesFor(t, rel, op)
	switch {
	case op == opUpdate:
		return updateStatement(t, rel, branches)
	case len(branches) == 1 && len(t.Joins) == 0:
		return insertInto + directSelect(t, rel, branches[0])
	}
	return insertInto + "select event.type, event.key, event.audience, event.data\nfrom " +
		branches[0].n + "\n" + lateral(t, rel, branches)
}

// updateStatement pairs the rows before and after by key.
func updateStatement(t Table, rel relation, branches []branch) string {
	return insertInto + `select event.type, event.key, event.audience, event.data
from new_rows
-- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
-- one row is also good for an update of many rows.
full join old_rows on ` + keyEquality(rel, "new_rows", "old_rows") + "\n" + lateral(t, rel, branches) + `
-- Skip rows that did not change. *<> compares row images, since not every type has an equality
-- operator. A strict condition here would turn the full join into an inner join.
where (new_rows.* *<> old_rows.*) is distinct from false`
}

// oneRowStatement generates the INSERT for an update of one row. It writes no event if the key changed.
func oneRowStatement(t Table, rel relation) string {
	if len(t.Update) == 1 && len(t.Joins) == 0 {
		b := branch{event: t.Update[0], n: "new_rows", o: "old_rows"}
		b.where = keyEquality(rel, "n", "o") + "\n    and n.* *<> o.*"
		return insertInto + strings.TrimSuffix(
			b.selectList(rel, "n")+"from new_rows as n\ncross join old_rows as o\n"+b.payload()+b.conditions(), "\n")
	}
	branches := branchesOf(t.Update, branch{n: "new_rows", o: "old_rows", where: keyEquality(rel, "new_rows", "old_rows")})
	return insertInto + `select event.type, event.key, event.audience, event.data
from new_rows
cross join old_rows
` + lateral(t, rel, branches) + `
where new_rows.* *<> old_rows.*`
}

func keyEquality(rel relation, n, o string) string {
	parts := make([]string, len(rel.key))
	for i, k := range rel.key {
		column := quoteIdent(k.name)
		parts[i] = fmt.Sprintf("%s.%s %s %s.%s", n, column, k.equals, o, column)
	}
	return strings.Join(parts, "\n    and ")
}

// branchesFor returns the branches of one operation.
func branchesFor(t Table, rel relation, op string) []branch {
	switch op {
	case opInsert:
		return branchesOf(t.Insert, branch{n: "new_rows"})
	case opDelete:
		return branchesOf(t.Delete, branch{n: "old_rows", o: "old_rows"})
	}
	return updateBranches(t, rel)
}

// updateBranches returns the branches of an update. The pairing by key decides the kind of event: both
// rows, an update; only the new one, an insert; only the old one, a delete.
func updateBranches(t Table, rel relation) []branch {
	id := quoteIdent(rel.key[0].name)
	changed := branch{n: "new_rows", o: "old_rows"}
	changed.where = fmt.Sprintf("num_nulls(new_rows.%s, old_rows.%s) = 0", id, id)
	if len(t.Insert) == 0 {
		changed.where = fmt.Sprintf("num_nulls(new_rows.%s) = 0", id)
		changed.comment = "The row changed, or its key changed (then o is null)."
	} else if len(t.Insert)+len(t.Delete) > 0 {
		changed.comment = "The row changed."
	}
	return slices.Concat(
		branchesOf(t.Update, changed),
		branchesOf(t.Insert, branch{
			n: "new_rows", where: "old_rows." + id + " is null",
			comment: "The key changed: this row has the new key.",
		}),
		branchesOf(t.Delete, branch{
			n: "old_rows", o: "old_rows", where: "new_rows." + id + " is null",
			comment: "The key changed: this row had the old key.",
		}),
	)
}

// branchesOf returns a copy of the template for each event.
func branchesOf(events []Event, template branch) []branch {
	branches := make([]branch, len(events))
	for i, event := range events {
		branches[i] = template
		branches[i].event = event
		if i > 0 {
			branches[i].comment = ""
		}
	}
	return branches
}

// lateral generates the join of each row to its events. PostgreSQL plans a lateral subquery for one row, so
// it looks up joined tables by index, however many rows the session's first statement had.
func lateral(t Table, rel relation, branches []branch) string {
	selects := make([]string, len(branches))
	for i, b := range branches {
		selects[i] = lateralSelect(t, rel, b)
	}
	text := strings.Join(selects, "\nunion all\n")
	if len(branches) == 1 {
		text += "\n-- An optimization fence: the planner must plan this subquery for one row.\noffset 0"
	}
	return "cross join lateral (\n" + indent(text, 1) + "\n) as event (type, key, audience, data)"
}

// lateralSelect generates a branch inside lateral, where the transition tables are already in scope.
func lateralSelect(t Table, rel relation, b branch) string {
	from := "from (select " + b.n + ".*) as n\n"
	if usesOld(t, b.event) {
		from += "cross join " + oldRow(rel, b.o, b.o) + " as o\n"
	}
	text := b.selectList(rel, b.n) + from + joinsSQL(t.Joins) + b.payload() + b.conditions()
	if b.comment != "" {
		text = "-- " + b.comment + "\n" + text
	}
	return strings.TrimSuffix(text, "\n")
}

// directSelect generates the only branch of an insert or delete, without a lateral join.
func directSelect(t Table, rel relation, b branch) string {
	from := "from " + b.n + " as n\n"
	if usesOld(t, b.event) {
		row := oldRow(rel, b.o, "n")
		if b.o != "" {
			row = "lateral " + row
		}
		from += "cross join " + row + " as o\n"
	}
	return strings.TrimSuffix(b.selectList(rel, "n")+from+b.payload()+b.conditions(), "\n")
}

// oldRow generates the row o: the row of source, or a row of nulls if o is empty.
func oldRow(rel relation, o, source string) string {
	if o == "" {
		return "(select (null::" + rel.name.String() + ").*)"
	}
	return "(select " + source + ".*)"
}

// selectList generates the SELECT list of a branch. row names the whole row n in its scope.
func (b branch) selectList(rel relation, row string) string {
	// The .* makes these rows, even if a column has the same name.
	data := "to_json(payload.*)"
	if len(b.event.Payload) == 0 {
		data = "to_json(" + row + ".*)"
	}
	audience := "null::text[]"
	if b.event.Audience != "" {
		// A null audience would mean every client: an expression that yields null denies every client instead.
		audience = "coalesce(" + embed(b.event.Audience) + ", '{}')"
	}
	items := []string{quoteLiteral(b.event.Type), b.key(rel), audience, data}
	return "select\n" + indent(strings.Join(items, ",\n"), 1) + "\n"
}

func (b branch) key(rel relation) string {
	if b.event.Key != "" {
		return embed(b.event.Key) + "::text"
	}
	columns := make([]string, len(rel.key))
	for i, k := range rel.key {
		columns[i] = "n." + quoteIdent(k.name)
	}
	if len(columns) == 1 {
		return columns[0] + "::text"
	}
	return "json_build_array(" + strings.Join(columns, ", ") + ")::text"
}

// payload generates the payload as a row. Unlike json_build_object, a row has no limit of 50 fields, and
// each field reads as in any SELECT.
func (b branch) payload() string {
	if len(b.event.Payload) == 0 {
		return ""
	}
	fields := make([]string, len(b.event.Payload))
	for i, f := range b.event.Payload {
		fields[i] = embed(f.SQL) + " as " + quoteIdent(f.Name)
	}
	list := "select\n" + indent(strings.Join(fields, ",\n"), 1)
	return "cross join lateral (\n" + indent(list, 1) + "\n) as payload\n"
}

func (b branch) conditions() string {
	conditions := make([]string, 0, 2)
	if b.where != "" {
		conditions = append(conditions, b.where)
	}
	if b.event.When != "" {
		conditions = append(conditions, embed(b.event.When))
	}
	if len(conditions) == 0 {
		return ""
	}
	return "where " + strings.Join(conditions, "\n    and ") + "\n"
}
