package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A partition that is dropped or detached takes rows out of its table, and one that is attached may bring some: no trigger
// fires for that, so clients must load the table again. The functions for TRUNCATE say which partitions the table had at
// the last apply. Those that came or left since, and of which clients know, are rows of pgherald.drift. Tables that inherit are
// treated alike.

// members are the partitions of a table, and the tables that inherit from it: each by the name of its function for TRUNCATE. One
// that came since the last apply has no trigger that calls the function, and maybe the name of another that left: its OID follows.
type members struct {
	table Name
	// present holds those that the table has now, applied those that it had at the last apply.
	present map[string]Name
	applied []string
}

// membersIn returns the partitions of the table. There are none if no function that is installed reports its TRUNCATE.
func (r resolved) membersIn(found installed) members {
	m := members{table: r.table.Name, present: map[string]Name{}}
	if len(r.mistakes) > 0 || !r.table.isWatched(opTruncate) || !r.wasWatched(found) {
		return m
	}
	isInstalled := false
	for _, f := range found.functions {
		if o, ok := found.owners[f.name]; ok && o.table == r.table.Name && f.name != functionName(r.table.Name, opRow) {
			isInstalled = true
			if f.name != functionName(r.table.Name, opTruncate) {
				m.applied = append(m.applied, f.name)
			}
		}
	}
	if !isInstalled {
		return m
	}
	for _, t := range r.objects().triggers {
		if !t.isRow() && t.table != r.table.Name {
			m.present[r.memberID(t, found)] = t.table
		}
	}
	return m
}

// memberID identifies a partition by its trigger for TRUNCATE.
func (r resolved) memberID(t trigger, found installed) string {
	isApplied := slices.ContainsFunc(found.triggers, func(have installedTrigger) bool {
		return have.table == t.table && have.function == t.function
	})
	if isApplied {
		return t.function
	}
	return fmt.Sprintf("%s %d", t.function, r.rel.oids[t.table]) // no function has such a name
}

func (m members) isEmpty() bool { return len(m.present) == 0 && len(m.applied) == 0 }

// membersOf returns the partitions of the tables that have some, or had.
func membersOf(tables []resolved, found installed) []members {
	var list []members
	for _, r := range tables {
		if m := r.membersIn(found); !m.isEmpty() {
			list = append(list, m)
		}
	}
	return list
}

// memberMoves holds the partitions of a table of which clients do not know that they came or left.
type memberMoves struct {
	table      Name
	came, left []string
	places     []Name   // of those that came
	noted      []string // those whose coming or leaving clients know
}

// since compares the partitions with those that clients know: those of the last apply, except for what is noted.
func (m members) since(noted []string) memberMoves {
	moves := memberMoves{table: m.table, noted: noted}
	knows := func(id string) bool { return slices.Contains(m.applied, id) != slices.Contains(noted, id) }
	for id, place := range m.present {
		if !knows(id) {
			moves.came, moves.places = append(moves.came, id), append(moves.places, place)
		}
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(m.applied, noted)))) {
		if _, ok := m.present[id]; !ok && knows(id) {
			moves.left = append(moves.left, id)
		}
	}
	return moves
}

func (m memberMoves) isEmpty() bool { return len(m.came) == 0 && len(m.left) == 0 }

// showsRows reports whether rows came or may have left. A partition that has held no row brings none.
func (m memberMoves) showsRows(ctx context.Context, tx pgx.Tx) (bool, error) {
	if len(m.left) > 0 || len(m.came) == 0 {
		return len(m.left) > 0, nil
	}
	var schemas, names []string
	for _, place := range m.places {
		schemas, names = append(schemas, place.Schema), append(names, place.Table)
	}
	var filled bool
	err := tx.QueryRow(ctx, `
		select coalesce(bool_or(pg_relation_size(c.oid) > 0), false)
		from unnest($1::text[], $2::text[]) as t (schema, name)
		join pg_namespace as s on s.nspname = t.schema
		join pg_class as c on c.relnamespace = s.oid and c.relname = t.name`, schemas, names).Scan(&filled)
	if err != nil {
		return false, fmt.Errorf("look for rows in the partitions of %s: %w", m.table, err)
	}
	return filled, nil
}

// note generates the statements that record that clients know of the moves.
func (m memberMoves) note() []string {
	var statements []string
	for _, id := range slices.Concat(m.came, m.left) {
		entry := quoteLiteral(memberEntry(m.table, id))
		if slices.Contains(m.noted, id) {
			statements = append(statements, "delete from pgherald.drift where table_name = "+entry)
		} else {
			statements = append(statements, "insert into pgherald.drift (table_name) values ("+entry+") on conflict do nothing")
		}
	}
	return statements
}

// forgetMembersSQL generates the statement that removes what is noted of a table's partitions: an apply makes all of them known,
// and a table that is not watched has none.
func forgetMembersSQL(table Name) string {
	return "delete from pgherald.drift where starts_with(table_name, " + quoteLiteral(memberEntry(table, "")) + ")"
}

// memberSeparator is between the table and the partition in pgherald.drift. No name of a table has it: names with line breaks
// are written as U&"…".
const memberSeparator = "\n:"

func memberEntry(table Name, member string) string {
	return table.String() + memberSeparator + member
}

// memberChanges returns the changes that tell clients of the partitions that came and left since they learned of them last, and
// those that forget what was noted. others are the changes of the same plan.
func (p specPlan) memberChanges(ctx context.Context, tx pgx.Tx, others []change) ([]change, error) {
	var changes []change
	for _, r := range p.tables {
		name := r.table.Name
		noted := p.noted[name.String()]
		if len(noted) > 0 && len(r.mistakes) == 0 { // also those of a table that was not watched meanwhile
			changes = append(changes, change{action: "forget the noted partitions of " + name.String(), sql: []string{forgetMembersSQL(name)}, silent: true})
		}
		m := r.membersIn(p.own)
		if m.isEmpty() { // such as those of a table that cannot be watched now
			continue
		}
		moves := m.since(noted)
		shows, err := moves.showsRows(ctx, tx)
		if err != nil {
			return nil, err
		}
		again := r.loadAgain()
		if shows && !slices.ContainsFunc(others, func(c change) bool { return c.action == again.action }) {
			changes = append(changes, again)
		}
	}
	return changes, nil
}

// recordMoves stores what clients know of partitions, and returns the tables that they must load again.
func (seen inspection) recordMoves(ctx context.Context, tx pgx.Tx) (tables []Name, err error) {
	for _, m := range seen.moves {
		shows, err := m.showsRows(ctx, tx)
		if err != nil {
			return nil, err
		}
		if shows {
			tables = append(tables, m.table)
		}
		if _, err := tx.Exec(ctx, strings.Join(m.note(), ";\n")); err != nil {
			return nil, fmt.Errorf("record the partitions of %s: %w", m.table, err)
		}
	}
	return tables, nil
}
