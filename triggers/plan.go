package triggers

import (
	"fmt"
	"slices"
)

// change is one step of a plan: a difference between the spec and the database, with the statements that
// remove it.
type change struct {
	drift  string // describes the difference, for Check
	action string // describes the remedy, for Apply
	sql    []string
	table  Name // the table that the statements lock; empty for a function
	kind   Kind
	// created and dropped name a function whose needs change.
	created, dropped string
	// function is the one that a trigger calls.
	function string
	// silent changes are not worth a line in the result of Apply.
	silent bool
	// exclusive reports that the lock excludes readers too.
	exclusive bool
}

// planChanges returns the changes in the order of execution. A trigger depends on its function: so it is
// dropped before the function, and created after it. Functions come first, since they need no lock of a table.
func planChanges(want objects, found installed) []change {
	changes := changedFunctions(want, found)
	changes = append(changes, staleTriggers(want, found)...)
	changes = append(changes, missingTriggers(want, found)...)
	changes = append(changes, enabledCopies(want, found)...)
	return append(changes, staleFunctions(want, found)...)
}

// staleTriggers drops installed triggers that are not in the spec.
func staleTriggers(want objects, found installed) []change {
	var changes []change
	for _, have := range found.triggers {
		if _, ok := want.trigger(have.table, have.name); ok {
			continue
		}
		sql := []string{have.drop()}
		if have.isRow() && !want.watches(have.table) {
			sql = append(sql, markSQL(have.table), forgetMembersSQL(have.table))
		}
		changes = append(changes, change{
			drift:  fmt.Sprintf("trigger %s on %s is not in the spec", quoteIdent(have.name), have.table),
			action: fmt.Sprintf("drop trigger %s on %s", quoteIdent(have.name), have.table),
			sql:    sql,
			table:  have.table, exclusive: true,
			kind: KindExtra,
		})
	}
	return changes
}

// drop uses the installed name of the trigger, which may differ from the generated one.
func (t installedTrigger) drop() string {
	return fmt.Sprintf("drop trigger if exists %s on %s", quoteIdent(t.name), t.table)
}

func (t installedTrigger) isRow() bool { return t.kind&1 != 0 }

// watches reports whether a table has a trigger.
func (objs objects) watches(table Name) bool {
	return slices.ContainsFunc(objs.triggers, func(t trigger) bool { return t.table == table })
}

// changedFunctions creates missing functions and replaces those that differ. Neither locks a table.
func changedFunctions(want objects, found installed) []change {
	var changes []change
	for _, f := range want.functions {
		have, ok := found.function(f.name)
		create := []string{f.create(), f.revoke()}
		if !ok && found.writer.inUse {
			create = append(create, f.giveAway()...)
		}
		switch {
		case !ok:
			changes = append(changes, change{
				drift:  "function " + f.sqlName() + " is missing",
				action: "create function " + f.sqlName(), sql: create, kind: KindMissing, created: f.name,
			})
		case !have.same(f):
			changes = append(changes, change{
				drift:  "function " + f.sqlName() + " differs from the spec",
				action: "replace function " + f.sqlName(), sql: create, kind: KindDiffers, created: f.name,
			})
		}
		if ok {
			changes = append(changes, wrongPrivileges(have, found.writer)...)
		}
	}
	return changes
}

// wrongPrivileges finds a function that every role may execute, or whose owner may not write to the log.
func wrongPrivileges(f installedFunction, w writer) []change {
	var changes []change
	if f.publicMayExecute {
		changes = append(changes, change{
			drift:  "function " + f.sqlName() + " may be executed by every role",
			action: "revoke function " + f.sqlName() + " from public",
			sql:    []string{f.revoke()},
			kind:   KindPrivilege,
		})
	}
	switch {
	case w.inUse && f.owner != writerRole:
		changes = append(changes, change{
			drift:   fmt.Sprintf("function %s belongs to %s, with whose rights it may run code of the table's owner", f.sqlName(), quoteIdent(f.owner)),
			action:  "give function " + f.sqlName() + " to " + writerRole,
			sql:     f.giveAway(),
			kind:    KindPrivilege,
			created: f.name,
		})
	case !f.ownerMayWrite:
		changes = append(changes, change{
			drift:  "the owner of function " + f.sqlName() + " may not write to pgherald.events",
			action: "take over function " + f.sqlName(),
			sql:    []string{"alter function " + f.sqlName() + "() owner to current_user"},
			kind:   KindPrivilege,
		})
	}
	return changes
}

// missingTriggers creates missing triggers, replaces those that differ and enables disabled ones.
func missingTriggers(want objects, found installed) []change {
	var changes []change
	for _, t := range want.triggers {
		on := fmt.Sprintf("trigger %s on %s", quoteIdent(t.name()), t.table)
		c := change{table: t.table, function: t.function}
		have, ok := found.trigger(t.table, t.name())
		switch {
		case !ok:
			c.kind, c.drift, c.action, c.sql = KindMissing, on+" is missing", "create "+on, []string{t.create()}
		case !have.same(t):
			c.kind, c.drift, c.action, c.sql = KindDiffers, on+" differs from the spec", "replace "+on, []string{have.drop(), t.create()}
			c.exclusive = true
		case !have.enabled:
			enable := fmt.Sprintf("alter table %s enable trigger %s", t.table, quoteIdent(t.name()))
			c.kind, c.drift, c.action, c.sql = KindDisabled, on+" is disabled", "enable "+on, []string{enable}
		default:
			continue
		}
		changes = append(changes, c)
	}
	return changes
}

// staleFunctions drops installed functions that are not in the spec.
func staleFunctions(want objects, found installed) []change {
	var changes []change
	for _, f := range found.functions {
		if want.hasFunction(f.name) {
			continue
		}
		changes = append(changes, change{
			drift:  "function " + f.sqlName() + " is not in the spec",
			action: "drop function " + f.sqlName(),
			sql:    []string{"drop function if exists " + f.sqlName() + "()"},
			kind:   KindExtra, dropped: f.name,
		})
	}
	return changes
}

func (objs objects) trigger(table Name, name string) (trigger, bool) {
	for _, t := range objs.triggers {
		if t.table == table && t.name() == name {
			return t, true
		}
	}
	return trigger{}, false
}

func (objs objects) hasFunction(name string) bool {
	for _, f := range objs.functions {
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
