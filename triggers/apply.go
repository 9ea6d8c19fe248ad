package triggers

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Changes describes what Apply or Drop did, one phrase for each change, in order.
type Changes []string

// Apply changes the database to exactly the triggers of the spec, in one transaction. An error means that
// nothing has changed. Apply leaves up-to-date triggers alone: a second Apply takes no lock that delays a
// writer.
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

// Drop removes every generated trigger and function, of any spec. The log stays. Drop does nothing in a
// database without a log.
func Drop(ctx context.Context, conn *pgx.Conn, opts ...Option) (Changes, error) {
	done, err := makeChanges(ctx, conn, newOptions(opts), func(ctx context.Context, tx pgx.Tx) ([]change, error) {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return nil, err
		}
		return withGrants(ctx, tx, nil, found, planChanges(objects{}, found))
	})
	if errors.Is(err, errNoLog) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("drop triggers: %w", err)
	}
	return done, nil
}

// plan validates the spec and compares it with the installed objects.
func plan(ctx context.Context, tx pgx.Tx, spec Spec, o options) ([]change, error) {
	found, err := loadInstalled(ctx, tx)
	if err != nil {
		return nil, err
	}
	tables, err := resolve(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	if err := mistakesOf(tables); err != nil && (!o.partial || !isUsable(tables, found)) {
		return nil, err
	}
	found = found.without(tables)
	known, err := loadDrift(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	changes := append(planChanges(objectsOf(tables), found), resets(tables, found, known)...)
	return withGrants(ctx, tx, tables, found, changes)
}
