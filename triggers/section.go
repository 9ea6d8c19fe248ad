package triggers

import (
	"fmt"
	"strings"
)

// section is the part of a function that writes the events of one operation on a row.
type section struct {
	op      string
	comment string
	events  []Event
	// when is the condition of plpgsql under which the section runs. Empty means always.
	when string
	// n and o name the records of plpgsql that the expressions call n and o. An empty o is a row of nulls.
	n, o string
}

// rowSections returns the sections of the watched operations. A changed key counts as a delete of the old
// key and an insert of the new one, in this order. If inserts are not watched, the new key gives the
// update event, with o all null.
func rowSections(t Table) []section {
	var list []section
	if t.isWatched(opDelete) {
		list = append(list, section{op: opDelete, when: orKeyChanged(t, opDelete), events: t.Delete, n: "old", o: "old"})
	}
	if t.isWatched(opInsert) {
		list = append(list, section{op: opInsert, when: orKeyChanged(t, opInsert), events: t.Insert, n: "new"})
	}
	if !t.isWatched(opUpdate) {
		return list
	}
	changed := section{op: opUpdate, when: isOp(opUpdate) + " and not key_changed", events: t.Update, n: "new", o: "old"}
	switch {
	case t.isWatched(opInsert):
		return append(list, changed)
	case !changed.usesOld(t):
		changed.when = isOp(opUpdate)
		return append(list, changed)
	}
	moved := section{
		op: opUpdate, when: "key_changed", events: t.Update, n: "new",
		comment: "The key changed, and no event reports the new key.",
	}
	return append(list, changed, moved)
}

func isOp(op string) string {
	return "tg_op operator(pg_catalog.=) '" + strings.ToUpper(op) + "'"
}

func orKeyChanged(t Table, op string) string {
	if t.isWatched(opUpdate) {
		return isOp(op) + " or key_changed"
	}
	return isOp(op)
}

// block generates the section around the statements of its events.
func (s section) block(t Table, rel relation, statements []string) string {
	names := "n alias for " + s.n + ";\n"
	if s.usesOld(t) {
		names += s.oldRow(rel)
	}
	text := "declare\n" + indent(strings.TrimSuffix(names, "\n"), 1) + "\nbegin\n" +
		indent(strings.Join(statements, "\n"), 1) + "\nend;"
	if s.comment != "" {
		text = "-- " + s.comment + "\n" + text
	}
	if s.when == "" {
		return text
	}
	return fmt.Sprintf("if %s then\n%s\nend if;", s.when, indent(text, 1))
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

// direct generates a section that computes each event and writes it in one statement. An error fails the
// application's write.
func (s section) direct(t Table, rel relation) string {
	statements := s.moves(t, rel)
	columns, values := t.moves.columns(s.op)
	for _, event := range s.events {
		statements = append(statements, insertMoved(rel, event, joined(t), columns, values)+";", "written = written or found;")
	}
	return s.block(t, rel, statements)
}
