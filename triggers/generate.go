package triggers

import (
	"fmt"
	"slices"
	"strings"
)

// function is a generated trigger function. Its name is unique in the schema pgherald.
type function struct {
	name, body string
	settings   []setting
}

// trigger is a generated trigger on one table. A row trigger fires for its operations; one with the
// operation truncate fires for the statement.
type trigger struct {
	table    Name
	ops      []string
	before   bool
	function string
}

// objects holds everything that a spec installs in a database.
type objects struct {
	functions []function
	triggers  []trigger
}

// generate turns one table of the spec into functions and triggers. It is a pure function of the spec and
// the catalog. PostgreSQL copies a row trigger to the partitions of its table, also to later ones. It copies
// none to tables that inherit from it.
func generate(t Table, rel relation) objects {
	t = t.withMoves(rel).withBigints(rel).withOneShape(rel)
	var objs objects
	if ops := t.rowOps(); len(ops) > 0 {
		name := functionName(t.Name, opRow)
		objs.functions = append(objs.functions, newFunction(name, rowBody(t, rel), needsOf(t, rel), rel))
		for _, table := range append([]Name{t.Name}, rel.children...) {
			objs.triggers = append(objs.triggers, trigger{table: table, ops: ops, function: name})
		}
	}
	if t.isWatched(opTruncate) {
		objs.addTruncate(t, rel)
	}
	return objs
}

// newFunction returns a function with the settings that it needs. One that looks names up first checks as whom it runs.
func newFunction(name, body string, needed needs, rel relation) function {
	if needed&needPath != 0 && rel.writerOwns {
		body = strings.Replace(body, "\nbegin\n", "\nbegin\n"+indent(runsAsOwner, 1)+"\n", 1)
	}
	return function{name, body, needed.settings()}
}

// addTruncate adds a function for the table and one for each of its partitions and children. A TRUNCATE of
// the parent fires the triggers of all of them, so each function covers only its own rows.
func (objs *objects) addTruncate(t Table, rel relation) {
	tree := append([]partition{{rel.name, rel.partitioned}}, rel.partitions...)
	for _, child := range rel.children {
		tree = append(tree, partition{name: child})
	}
	for _, member := range tree {
		if t.Truncate.AsDeletes && member.partitioned {
			continue // a partitioned table holds no rows itself
		}
		name := functionName(member.name, opTruncate)
		objs.functions = append(objs.functions, newFunction(name, truncateBody(t, rel, member.name), needsOf(t, rel)|needPath, rel))
		objs.triggers = append(objs.triggers, trigger{
			table: member.name, ops: []string{opTruncate}, before: t.Truncate.AsDeletes, function: name,
		})
	}
}

// generateAll generates the objects of all tables, in the order of the spec.
func generateAll(spec Spec, relations []relation) objects {
	var objs objects
	for i, t := range spec.Tables {
		one := generate(t, relations[i])
		objs.functions = append(objs.functions, one.functions...)
		objs.triggers = append(objs.triggers, one.triggers...)
	}
	return objs
}

// create generates the statement that creates or replaces the function.
func (f function) create() string {
	var b strings.Builder
	fmt.Fprintf(&b, "create or replace function %s() returns trigger\nlanguage plpgsql\nsecurity definer\n", f.sqlName())
	for _, s := range f.settings {
		fmt.Fprintf(&b, "set %s = %s\n", s.name, s.value)
	}
	tag := "$pgherald$"
	for i := 1; strings.Contains(f.body, tag); i++ {
		tag = fmt.Sprintf("$pgherald%d$", i)
	}
	fmt.Fprintf(&b, "as %s%s%s", tag, f.body, tag)
	return b.String()
}

// revoke generates the statement that denies the function to other roles: they could use it in a trigger of
// their own.
func (f function) revoke() string {
	return "revoke execute on function " + f.sqlName() + "() from public"
}

func (f function) sqlName() string {
	return Name{"pgherald", f.name}.String()
}

// The names of the triggers. PostgreSQL fires the triggers of a row in the order of their names, as bytes:
// ours comes before the application's, which may write to the same row again. The event of that inner
// write then follows that of the outer one, as the writes did.
const (
	rowTrigger      = "00_pgherald"
	truncateTrigger = "pgherald_truncate"
)

func (t trigger) isRow() bool { return t.ops[0] != opTruncate }

func (t trigger) name() string {
	if t.isRow() {
		return rowTrigger
	}
	return truncateTrigger
}

// create generates the statement that creates the trigger.
func (t trigger) create() string {
	when, level := "after", "row"
	if t.before {
		when = "before"
	}
	if !t.isRow() {
		level = "statement"
	}
	return fmt.Sprintf("create trigger %s\n%s %s on %s\nfor each %s\nexecute function %s()", quoteIdent(t.name()),
		when, strings.Join(t.ops, " or "), t.table, level, function{name: t.function}.sqlName())
}

func (t trigger) drop() string {
	return fmt.Sprintf("drop trigger if exists %s on %s", quoteIdent(t.name()), t.table)
}

// script generates the statements for all objects as one readable text. Running them again is harmless.
func (objs objects) script(w writer) string {
	return strings.Join(append(objs.functionSQL(w), objs.triggerSQL()...), ";\n\n") + ";\n"
}

// functionSQL creates or replaces each function.
func (objs objects) functionSQL(w writer) []string {
	var texts []string
	for _, f := range objs.functions {
		statements := []string{f.create(), f.revoke()}
		if w.inUse {
			statements = append(statements, f.giveAway()...)
		}
		texts = append(texts, strings.Join(statements, ";\n"))
	}
	return texts
}

// triggerSQL creates or replaces each trigger, table by table.
func (objs objects) triggerSQL() []string {
	var statements []string
	for _, table := range objs.tables() {
		for _, t := range objs.triggers {
			if t.table == table {
				statements = append(statements, t.drop()+";\n"+t.create())
			}
		}
	}
	return statements
}

// tables returns the tables with triggers, in order of appearance.
func (objs objects) tables() []Name {
	var names []Name
	for _, t := range objs.triggers {
		if !slices.Contains(names, t.table) {
			names = append(names, t.table)
		}
	}
	return names
}
