package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Changes describes what Apply or Drop did, one phrase for each change, in order.
type Changes []string

// Apply changes the triggers of the spec to exactly those that it describes, in one transaction. An error means
// that nothing has changed. Apply leaves up-to-date triggers alone: a second Apply takes no lock.
//
// Apply does not touch the triggers of specs with another name, unless [Prune] says so, and refuses a table that
// one of them watches. It returns a [SupersededError] for a spec that is older than the installed one, unless
// [Force] says otherwise, and a [BusyError] if the tables stayed in use.
func Apply(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Changes, error) {
	o := newOptions(opts)
	done, err := makeChanges(ctx, conn, o, func(ctx context.Context, tx pgx.Tx) ([]change, error) {
		return plan(ctx, tx, spec, o)
	})
	if err != nil {
		return nil, fmt.Errorf("apply triggers: %w", err)
	}
	return done, nil
}

// plan returns what is to change.
func plan(ctx context.Context, tx pgx.Tx, spec Spec, o options) ([]change, error) {
	p, err := loadPlan(ctx, tx, spec, o)
	if err != nil {
		return nil, err
	}
	changes, err := p.allChanges(ctx, tx)
	if err != nil {
		return nil, err
	}
	return withGrants(ctx, tx, p.tables, p.own, changes)
}

// specPlan holds what Apply compares.
type specPlan struct {
	spec   Spec
	tables []resolved
	want   objects
	// own is the part of found that the spec may change.
	found, own installed
	prune      bool
	known      []Name              // the tables of whose drift clients know
	noted      map[string][]string // the partitions of which clients know, by table
}

// loadPlan validates the spec and looks up what is installed.
func loadPlan(ctx context.Context, tx pgx.Tx, spec Spec, o options) (specPlan, error) {
	all, err := expand(ctx, tx, spec)
	if err != nil {
		return specPlan{}, err
	}
	spec = all.spec
	p := specPlan{spec: spec, prune: o.prune}
	if p.found, err = loadForSpec(ctx, tx, spec, o.force); err != nil {
		return p, err
	}
	if err := p.found.checkMoves(ctx, tx, spec); err != nil {
		return p, err
	}
	if p.tables, err = resolve(ctx, tx, spec); err != nil {
		return p, err
	}
	if !o.prune {
		p.found.refuseConflicts(spec.Name, p.tables)
		p.found.refuseCollections(spec.Name, p.tables)
	}
	p.tables = all.withoutUnwatchable(p.tables)
	for _, r := range p.tables {
		if r.unlisted != "" {
			all.note(r.table.Name, "", "is no collection: %s", r.unlisted)
		}
	}
	o.notes(all.notes)
	p.want, p.own = objectsOf(p.tables), p.found
	if !o.prune {
		p.own = p.found.ownedBy(spec.Name, p.want)
	}
	if len(all.mistakes) > 0 && (!o.partial || !isWatched(p.tables, p.own)) {
		return p, errors.Join(append(all.mistakes, mistakesOf(p.tables))...)
	}
	if err := mistakesOf(p.tables); err != nil && (!o.partial || !isUsable(p.tables, p.own)) {
		return p, err
	}
	p.own = p.own.without(p.tables)
	p.known, p.noted, err = loadDrift(ctx, tx, spec)
	return p, err
}

// changes returns what is to change.
func (p specPlan) changes() []change {
	return slices.Concat(planChanges(p.want, p.own), recordFilters(p.spec.Name, p.tables, p.found), removals(p.want, p.own), resets(p.spec, p.tables, p.own, p.known), p.records(false))
}

// allChanges returns what is to change, with what clients learn of partitions.
func (p specPlan) allChanges(ctx context.Context, tx pgx.Tx) ([]change, error) {
	changes := p.changes()
	more, err := p.memberChanges(ctx, tx, changes)
	return append(changes, more...), err
}

// records returns the changes that store whose the triggers are: those that are due, or all of them.
func (p specPlan) records(all bool) []change {
	var changes []change
	if p.prune {
		changes = forgetOthers(p.spec.Name, p.found)
	}
	wanted, found := wantedOwners(p.spec.Name, p.tables, p.found), p.found
	if all {
		found = installed{}
	}
	changes = append(changes, recordOwners(p.spec.Name, wanted, found)...)
	return append(changes, recordSpec(p.spec, found)...)
}
