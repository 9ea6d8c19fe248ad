package triggers

import (
	"fmt"
	"slices"
	"strings"
)

// relation is what the catalog says about a watched table, as far as the generated SQL needs it.
// With it the generator is a pure function.
type relation struct {
	name        Name
	key         []keyColumn
	partitioned bool
	partitions  []partition // the whole tree below, in order of name
	// columns are those that a trigger can read, and virtual those it cannot: the virtual generated
	// ones, whose values transition tables do not have.
	columns, virtual []string
}

// keyColumn is a column of the key and the operator by which its unique index tells values apart.
type keyColumn struct {
	name, equals string
}

type partition struct {
	name        Name
	partitioned bool
}

// function is a trigger function of ours. Its name is unique in the schema pgherald.
type function struct {
	name, body string
}

// trigger is a trigger of ours on one table.
type trigger struct {
	table    Name
	op       string
	before   bool
	function string
}

// objects is everything that a spec puts into a database.
type objects struct {
	functions []function
	triggers  []trigger
}

// generate turns one table of the spec into functions and triggers. A partition has triggers of
// its own, since a write that names the partition fires only those; they share the functions of
// the parent.
func generate(t Table, rel relation) objects {
	var made objects
	for _, op := range t.watches() {
		if op == opTruncate {
			made.addTruncate(t, rel)
			continue
		}
		name := functionName(t.Name, op)
		made.functions = append(made.functions, function{name, rowBody(t, rel, op)})
		made.triggers = append(made.triggers, trigger{table: t.Name, op: op, function: name})
		for _, p := range rel.partitions {
			made.triggers = append(made.triggers, trigger{table: p.name, op: op, function: name})
		}
	}
	return made
}

// addTruncate adds a function for each table of the tree. A TRUNCATE of the parent fires the
// triggers of the parent and of every partition, so each must speak for its own rows only.
func (made *objects) addTruncate(t Table, rel relation) {
	tree := append([]partition{{rel.name, rel.partitioned}}, rel.partitions...)
	for _, member := range tree {
		if t.Truncate.AsDeletes && member.partitioned {
			continue // has no rows of its own
		}
		name := functionName(member.name, opTruncate)
		made.functions = append(made.functions, function{name, truncateBody(t, rel, member.name)})
		made.triggers = append(made.triggers, trigger{
			table: member.name, op: opTruncate, before: t.Truncate.AsDeletes, function: name,
		})
	}
}

// generateAll keeps the order of the spec.
func generateAll(spec Spec, relations []relation) objects {
	var made objects
	for i, t := range spec.Tables {
		one := generate(t, relations[i])
		made.functions = append(made.functions, one.functions...)
		made.triggers = append(made.triggers, one.triggers...)
	}
	return made
}

// settings are in force while a trigger function runs. The first keeps a writer from slipping us
// tables or functions of his own; the others, from spelling our keys and payloads his own way.
func settings() []setting {
	return []setting{
		{"search_path", "pg_catalog, pg_temp"},
		{"TimeZone", "'UTC'"},
		{"DateStyle", "'ISO, YMD'"},
		{"IntervalStyle", "'postgres'"},
		{"extra_float_digits", "1"},
		{"bytea_output", "'hex'"},
		{"standard_conforming_strings", "on"},
	}
}

// setting is a parameter and its value as SQL.
type setting struct {
	name, value string
}

// stored is how the catalog (pg_proc.proconfig) keeps a setting.
func (s setting) stored() string {
	return s.name + "=" + strings.Trim(s.value, "'")
}

// create is the statement that makes the function, or replaces what it was.
func (f function) create() string {
	var b strings.Builder
	fmt.Fprintf(&b, "create or replace function %s() returns trigger\nlanguage plpgsql\nsecurity definer\n", f.sqlName())
	for _, s := range settings() {
		fmt.Fprintf(&b, "set %s = %s\n", s.name, s.value)
	}
	tag := "$pgherald$"
	for i := 1; strings.Contains(f.body, tag); i++ {
		tag = fmt.Sprintf("$pgherald%d$", i)
	}
	fmt.Fprintf(&b, "as %s%s%s", tag, f.body, tag)
	return b.String()
}

// revoke keeps everybody from using the function in a trigger of their own.
func (f function) revoke() string {
	return "revoke execute on function " + f.sqlName() + "() from public"
}

func (f function) sqlName() string {
	return Name{"pgherald", f.name}.String()
}

func (t trigger) name() string { return "pgherald_" + t.op }

// create is the statement that makes the trigger. Truncate has no transition tables; the others
// have those that exist for the operation.
func (t trigger) create() string {
	var b strings.Builder
	when := "after"
	if t.before {
		when = "before"
	}
	fmt.Fprintf(&b, "create trigger %s\n%s %s on %s\n", t.name(), when, t.op, t.table)
	if tables := t.transitionTables(); len(tables) > 0 {
		fmt.Fprintf(&b, "referencing %s\n", strings.Join(tables, " "))
	}
	fmt.Fprintf(&b, "for each statement\nexecute function %s()", function{name: t.function}.sqlName())
	return b.String()
}

func (t trigger) drop() string {
	return fmt.Sprintf("drop trigger if exists %s on %s", t.name(), t.table)
}

func (t trigger) transitionTables() []string {
	var tables []string
	if t.op == opInsert || t.op == opUpdate {
		tables = append(tables, "new table as new_rows")
	}
	if t.op == opUpdate || t.op == opDelete {
		tables = append(tables, "old table as old_rows")
	}
	return tables
}

// script is everything at once, for people to read. It can be run, and run again.
func (made objects) script() string {
	var b strings.Builder
	for _, f := range made.functions {
		fmt.Fprintf(&b, "%s;\n%s;\n\n", f.create(), f.revoke())
	}
	for _, table := range made.tables() {
		for _, t := range made.triggers {
			if t.table == table {
				fmt.Fprintf(&b, "%s;\n%s;\n\n", t.drop(), t.create())
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tables lists the tables with triggers, in order of appearance.
func (made objects) tables() []Name {
	var names []Name
	for _, t := range made.triggers {
		if !slices.Contains(names, t.table) {
			names = append(names, t.table)
		}
	}
	return names
}
