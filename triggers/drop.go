package triggers

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Drop removes the triggers and functions of one spec, of which it needs the name; the tables say which triggers
// of an installation without names belong to it. The log stays.
func Drop(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Changes, error) {
	return drop(ctx, conn, opts, func(found installed) []change {
		own := found.ownedBy(spec.Name, spec.tableObjects())
		return append(planChanges(objects{}, own), forget(spec.Name, found)...)
	})
}

// DropAll removes every generated trigger and function, of any spec. The log stays. It does nothing in a database
// without a log.
func DropAll(ctx context.Context, conn *pgx.Conn, opts ...Option) (Changes, error) {
	return drop(ctx, conn, opts, func(found installed) []change {
		return append(planChanges(objects{}, found), forgetOthers("", found)...)
	})
}

func drop(ctx context.Context, conn *pgx.Conn, opts []Option, plan func(installed) []change) (Changes, error) {
	done, err := makeChanges(ctx, conn, newOptions(opts), func(ctx context.Context, tx pgx.Tx) ([]change, error) {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return nil, err
		}
		return withGrants(ctx, tx, nil, found, plan(found))
	})
	if errors.Is(err, errNoLog) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("drop triggers: %w", err)
	}
	return done, nil
}

// tableObjects names the tables of a spec, to find what is installed on them.
func (s Spec) tableObjects() objects {
	var objs objects
	for _, t := range s.Tables {
		objs.triggers = append(objs.triggers, trigger{table: t.Name, ops: []string{opInsert}})
	}
	return objs
}
