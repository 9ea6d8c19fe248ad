package triggers

import "fmt"

// change is one difference between what the spec asks for and what is installed: in words, and as
// the statements that make it good.
type change struct {
	drift string // what differs
	done  string // what was done about it
	sql   []string
	table Name // whose lock the statements take; zero for a function
}

// compare lists the changes in the order in which they have to be made: a trigger goes before its
// function does, and comes after it.
func compare(want objects, found installed) []change {
	changes := staleTriggers(want, found)
	changes = append(changes, changedFunctions(want, found)...)
	changes = append(changes, missingTriggers(want, found)...)
	return append(changes, staleFunctions(want, found)...)
}

// staleTriggers drops triggers of ours that the spec does not ask for.
func staleTriggers(want objects, found installed) []change {
	var changes []change
	for _, have := range found.triggers {
		if _, ok := want.trigger(have.table, have.name); ok {
			continue
		}
		changes = append(changes, change{
			drift: fmt.Sprintf("trigger %s on %s is not in the spec", quoteIdent(have.name), have.table),
			done:  fmt.Sprintf("drop trigger %s on %s", quoteIdent(have.name), have.table),
			sql:   []string{have.drop()},
			table: have.table,
		})
	}
	return changes
}

// drop names the trigger as it is called, which need not be as we would call it.
func (t installedTrigger) drop() string {
	return fmt.Sprintf("drop trigger %s on %s", quoteIdent(t.name), t.table)
}

// changedFunctions makes what is missing and replaces what differs. Neither locks a table.
func changedFunctions(want objects, found installed) []change {
	var changes []change
	for _, f := range want.functions {
		have, ok := found.function(f.name)
		create := []string{f.create(), f.revoke()}
		switch {
		case !ok:
			changes = append(changes, change{
				drift: "function " + f.sqlName() + " is missing",
				done:  "create function " + f.sqlName(), sql: create,
			})
		case !have.same(f):
			changes = append(changes, change{
				drift: "function " + f.sqlName() + " differs from the spec",
				done:  "replace function " + f.sqlName(), sql: create,
			})
		}
		if ok {
			changes = append(changes, wrongRights(have)...)
		}
	}
	return changes
}

// wrongRights finds a function that everybody may use, or that its owner cannot write with.
func wrongRights(f installedFunction) []change {
	var changes []change
	if f.public {
		changes = append(changes, change{
			drift: "function " + f.sqlName() + " may be used by everybody",
			done:  "revoke function " + f.sqlName() + " from public",
			sql:   []string{f.revoke()},
		})
	}
	if !f.may {
		changes = append(changes, change{
			drift: "the owner of function " + f.sqlName() + " may not write to pgherald.events",
			done:  "take over function " + f.sqlName(),
			sql:   []string{"alter function " + f.sqlName() + "() owner to current_user"},
		})
	}
	return changes
}

// missingTriggers makes what is missing, makes anew what differs and enables what is disabled.
func missingTriggers(want objects, found installed) []change {
	var changes []change
	for _, t := range want.triggers {
		on := fmt.Sprintf("trigger %s on %s", t.name(), t.table)
		c := change{table: t.table}
		have, ok := found.trigger(t.table, t.name())
		switch {
		case !ok:
			c.drift, c.done, c.sql = on+" is missing", "create "+on, []string{t.create()}
		case !have.same(t):
			c.drift, c.done, c.sql = on+" differs from the spec", "replace "+on, []string{have.drop(), t.create()}
		case !have.enabled:
			enable := fmt.Sprintf("alter table %s enable trigger %s", t.table, t.name())
			c.drift, c.done, c.sql = on+" is disabled", "enable "+on, []string{enable}
		default:
			continue
		}
		changes = append(changes, c)
	}
	return changes
}

func staleFunctions(want objects, found installed) []change {
	var changes []change
	for _, f := range found.functions {
		if want.hasFunction(f.name) {
			continue
		}
		changes = append(changes, change{
			drift: "function " + f.sqlName() + " is not in the spec",
			done:  "drop function " + f.sqlName(),
			sql:   []string{"drop function " + f.sqlName() + "()"},
		})
	}
	return changes
}

func (made objects) trigger(table Name, name string) (trigger, bool) {
	for _, t := range made.triggers {
		if t.table == table && t.name() == name {
			return t, true
		}
	}
	return trigger{}, false
}

func (made objects) hasFunction(name string) bool {
	for _, f := range made.functions {
		if f.name == name {
			return true
		}
	}
	return false
}

func (found installed) function(name string) (installedFunction, bool) {
	for _, f := range found.functions {
		if f.name == name {
			return f, true
		}
	}
	return installedFunction{}, false
}

func (found installed) trigger(table Name, name string) (installedTrigger, bool) {
	for _, t := range found.triggers {
		if t.table == table && t.name == name {
			return t, true
		}
	}
	return installedTrigger{}, false
}
