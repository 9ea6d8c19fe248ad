package triggers

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// IsInstalled reports whether the spec was applied, in any version, or a trigger function of any of its tables is
// installed.
func IsInstalled(ctx context.Context, conn *pgx.Conn, spec Spec) (is bool, err error) {
	err = readOnly(ctx, conn, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		_, recorded := found.record(spec.Name)
		is = recorded || slices.ContainsFunc(spec.Tables, func(t Table) bool { return resolved{table: t}.wasWatched(found) })
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for the triggers: %w", err)
	}
	return is, nil
}

// isUsable reports whether it makes sense to go on in spite of mistakes: a table can be watched, or was watched
// before. Otherwise the spec is probably meant for another database.
func isUsable(tables []resolved, found installed) bool {
	return slices.ContainsFunc(tables, func(r resolved) bool { return len(r.mistakes) == 0 || r.wasWatched(found) })
}

// isWatched reports whether a table was watched before.
func isWatched(tables []resolved, found installed) bool {
	return slices.ContainsFunc(tables, func(r resolved) bool { return r.wasWatched(found) })
}

// without leaves out what belongs to tables with mistakes, so that it stays unchanged.
func (found installed) without(tables []resolved) installed {
	kept := make(map[string]bool)
	for _, r := range tables {
		if len(r.mistakes) > 0 {
			for _, name := range r.mayHave() {
				kept[name] = true
			}
		}
	}
	if len(kept) == 0 {
		return found
	}
	found.functions = slices.DeleteFunc(slices.Clone(found.functions), func(f installedFunction) bool { return kept[f.name] })
	found.triggers = slices.DeleteFunc(slices.Clone(found.triggers), func(t installedTrigger) bool { return kept[t.function] })
	return found
}
