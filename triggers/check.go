package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

const runApply = "run `pgherald apply`"

// Check reports what Apply would change, and changes nothing. It also reports what Apply would refuse, such as
// an expression that no longer fits its table because a column was dropped. A mistake in one table does not
// hide the drift of the others.
//
// Check needs no right but USAGE on the schema pgherald and SELECT on specs and trigger_functions in it: otherwise it
// reads the catalog. It omits mistakes in expressions
// that its role may not validate, or not in time because a table is locked.
func Check(ctx context.Context, conn *pgx.Conn, spec Spec) ([]Drift, error) {
	var drifts []Drift
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		tables, err := expand(ctx, tx, spec)
		if err != nil {
			return err
		}
		all, err := check(ctx, tx, tables)
		drifts = all.drift
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("check triggers: %w", err)
	}
	return drifts, nil
}

// checked is the result of a check.
type checked struct {
	drift []Drift
	// current reports that this state of the spec is the one that was applied last. Otherwise it is older, or waits
	// for its Apply, and a difference does not say that writes were missed.
	current bool
	// members are the partitions of the tables.
	members []members
}

func check(ctx context.Context, tx pgx.Tx, all expansion) (checked, error) {
	spec := all.spec
	found, err := loadForSpec(ctx, tx, spec, false)
	var superseded *SupersededError
	if errors.As(err, &superseded) {
		return checked{drift: []Drift{superseded.drift()}}, nil
	}
	if err != nil {
		return checked{}, err
	}
	tables, err := resolve(ctx, tx, spec)
	if err != nil {
		return checked{}, err
	}
	found.refuseConflicts(spec.Name, tables)
	found.refuseCollections(spec.Name, tables)
	tables = all.withoutUnwatchable(tables)
	own := found.ownedBy(spec.Name, expectedOf(tables).objects)
	var drifts []Drift
	for _, err := range all.mistakes {
		drifts = append(drifts, Drift{Kind: KindTable, Message: err.Error(), Remedy: "correct the spec"})
	}
	for _, r := range tables {
		r.mistakes = slices.DeleteFunc(r.mistakes, mistake.isUndecided)
		drifts = append(drifts, r.drift(own)...)
	}
	drifts = append(drifts, extras(tables, own)...)
	for _, f := range own.unrecorded(wantedOwners(spec.Name, tables, found)) {
		message := fmt.Sprintf("nothing says that function %s belongs to spec %s", function{name: f}.sqlName(), spec.Name)
		drifts = append(drifts, Drift{Kind: KindOwner, Message: message, Remedy: runApply})
	}
	for _, c := range recordFilters(spec.Name, watchedOf(tables, own), own) {
		if c.kind != "" && !c.silent {
			drifts = append(drifts, Drift{Kind: c.kind, Table: c.table, Message: c.drift, Remedy: runApply})
		}
	}
	for _, c := range missingGrants(found.grants) {
		drifts = append(drifts, Drift{Kind: c.kind, Message: c.drift, Remedy: runApply})
	}
	for _, r := range tables {
		drifts = append(drifts, r.warnings()...)
	}
	log, err := checkLog(ctx, tx)
	return checked{append(drifts, log...), found.isCurrent(spec), membersOf(tables, own)}, err
}

// watchedOf returns the tables whose triggers log the former values of all filter fields.
func watchedOf(tables []resolved, found installed) []resolved {
	return slices.DeleteFunc(slices.Clone(tables), func(r resolved) bool {
		return !r.wasWatched(found) || len(r.unlogged(found)) > 0 || len(r.newColumns(found)) > 0
	})
}

// drift compares what one table should have with what is installed.
func (r resolved) drift(found installed) []Drift {
	var drifts []Drift
	for _, m := range r.mistakes {
		drifts = append(drifts, Drift{m.kind, r.table.Name, m.err.Error(), r.remedyOf(m.kind)})
	}
	if r.isUnknown() || r.isForeign() {
		return drifts
	}
	if r.table.pattern != "" && !r.wasWatched(found) {
		message := fmt.Sprintf("table %s matches %s and is not watched yet", r.table.Name, r.table.pattern)
		return append(drifts, Drift{KindNew, r.table.Name, message, runApply})
	}
	for _, c := range r.changes(found) {
		if d := (Drift{c.kind, r.table.Name, c.drift, runApply}); !slices.Contains(drifts, d) { // several functions lack the same columns
			drifts = append(drifts, d)
		}
	}
	if found.silenced {
		drifts = append(drifts, Drift{
			KindDisabled, r.table.Name,
			fmt.Sprintf("triggers on %s do not fire: session_replication_role is replica in every session of the database", r.table.Name),
			"run `alter database … reset session_replication_role`, or remove it from the configuration",
		})
	}
	return drifts
}

// remedyOf begins with what the mistake does meanwhile: that decides how urgent a correction is.
func (r resolved) remedyOf(k Kind) string {
	remedy := "correct the spec or the table, then " + runApply
	switch {
	case k != KindExpression:
		return remedy
	case r.table.AbortOnError:
		return "writes may fail; " + remedy
	default:
		return "writes may give a collection_reset instead of events, one in 10 s for all of them; " + remedy
	}
}

// extras reports what is installed and not in the spec. A trigger that a watched table took along when it was
// renamed reports its writes as those of the watched table.
func extras(tables []resolved, found installed) []Drift {
	want := expectedOf(tables)
	var drifts []Drift
	for _, t := range found.triggers {
		table, isWatched := want.watched[t.function]
		if _, ok := want.trigger(t.table, t.name); ok || isWatched && want.unknown[t.table] {
			continue
		}
		d := Drift{Kind: KindExtra, Message: fmt.Sprintf("trigger %s on %s is not in the spec", quoteIdent(t.name), t.table), Remedy: runApply}
		if isWatched && t.table != table {
			d.Kind, d.Table = KindRenamed, table
			d.Message += fmt.Sprintf(": it logs writes to %s as those to %s", t.table, table)
		}
		drifts = append(drifts, d)
	}
	for _, f := range found.functions {
		if _, ok := want.watched[f.name]; !ok {
			drifts = append(drifts, Drift{Kind: KindExtra, Message: "function " + f.sqlName() + " is not in the spec", Remedy: runApply})
		}
	}
	return drifts
}
