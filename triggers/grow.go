package triggers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Grow lets the events of watched tables show the columns that were added since the last apply, and lets clients filter by
// them, as Apply would. It also replaces functions that use a column which is no longer there, and those of the tables that
// [Mend] names. It changes nothing else, and nothing at all unless this state of the spec was applied last: so a server may call it again and again. It replaces functions, and
// locks a table only to store its new filter fields. Tables that stay in use do not keep the others waiting: Grow leaves them
// out, and then returns a [BusyError], too.
func Grow(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Changes, error) {
	o := newOptions(append(opts, Partial()))
	var inUse []Name
	var left error
	for {
		done, err := makeChanges(ctx, conn, o, func(ctx context.Context, tx pgx.Tx) ([]change, error) {
			return planGrowth(ctx, tx, spec, o, inUse)
		})
		if err == nil {
			return done, left
		}
		err = fmt.Errorf("take new columns in: %w", err)
		more := tablesInUse(err, inUse)
		if len(more) == 0 {
			return nil, err
		}
		inUse, left = append(inUse, more...), cmp.Or(left, err)
	}
}

func planGrowth(ctx context.Context, tx pgx.Tx, spec Spec, o options, inUse []Name) ([]change, error) {
	p, err := loadPlan(ctx, tx, spec, o)
	if err != nil || !p.found.isCurrent(p.spec) {
		return nil, err
	}
	p.tables = slices.DeleteFunc(p.tables, func(r resolved) bool {
		return slices.Contains(inUse, r.table.Name) || slices.ContainsFunc(r.rel.children, func(c Name) bool { return slices.Contains(inUse, c) })
	})
	changes := p.growth(o.mend)
	if len(changes) == 0 {
		return nil, nil
	}
	return withGrants(ctx, tx, p.tables, p.own, changes)
}

// tablesInUse returns the tables that a BusyError names, without the known ones.
func tablesInUse(err error, known []Name) (tables []Name) {
	var busy *BusyError
	if !errors.As(err, &busy) || busy.queued {
		return nil
	}
	for _, h := range busy.Holders {
		if h.Table != (Name{}) && !slices.Contains(known, h.Table) && !slices.Contains(tables, h.Table) {
			tables = append(tables, h.Table)
		}
	}
	return tables
}

// growth returns the changes by which functions lack columns, or filter fields, and nothing else but what mends the functions
// of the given tables.
func (p specPlan) growth(mend []string) []change {
	var functions, fields []change
	for _, r := range p.tables {
		isBroken := r.wasWatched(p.own) && (slices.Contains(mend, r.table.Name.String()) || r.hasLostColumns(p.own))
		if len(r.mistakes) > 0 || !isBroken && len(r.newColumns(p.own)) == 0 && len(r.unlogged(p.own)) == 0 {
			continue
		}
		before := len(functions)
		for _, c := range r.changes(p.own) {
			if c.created != "" && (c.kind == KindNewColumns || c.kind == KindCollection || isBroken && c.kind == KindDiffers) {
				functions = append(functions, c)
			}
		}
		if r.hidesColumns(p.own) || isBroken && len(functions) > before {
			fields = append(fields, r.loadAgain()) // as resets does
		}
		if r.table.Collection == "" || !p.found.hasFilters {
			continue
		}
		if fresh := r.freshFields(p.spec.Name, p.found); len(fresh) > 0 {
			fields = append(fields, r.recordFresh(p.spec.Name, fresh)...)
		}
	}
	return append(functions, fields...)
}
