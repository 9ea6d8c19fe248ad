package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// execute makes the changes in order and returns their descriptions. It locks the tables within the limit,
// at the last moment: what comes before the first change of a table needs no lock.
func execute(ctx context.Context, tx pgx.Tx, changes []change, limit time.Duration) (Changes, error) {
	if len(changes) > 0 {
		changes = append(slices.Clone(changes), announcement())
	}
	first := slices.IndexFunc(changes, func(c change) bool { return c.table != Name{} })
	if first < 0 {
		first = len(changes)
	}
	if err := run(ctx, tx, changes[:first]); err != nil {
		return nil, err
	}
	tables, err := lockTables(ctx, tx, changes[first:], limit)
	if err != nil {
		return nil, err
	}
	if err := run(ctx, tx, changes[first:]); isBusy(err) {
		return nil, &BusyError{tables: tables, err: err}
	} else if err != nil {
		return nil, err
	}
	var done Changes
	for _, c := range changes {
		if !c.silent {
			done = append(done, c.action)
		}
	}
	return done, nil
}

// run runs the statements of the changes in one round trip, because writers may be waiting.
func run(ctx context.Context, tx pgx.Tx, changes []change) error {
	var statements, actions []string
	for _, c := range changes {
		for _, sql := range c.sql {
			statements, actions = append(statements, sql), append(actions, c.action)
		}
	}
	if len(statements) == 0 {
		return nil
	}
	results, err := tx.Conn().PgConn().Exec(ctx, strings.Join(statements, ";\n")).ReadAll()
	if err != nil {
		failed := min(len(results), len(actions)-1) // the results are those of the statements before it
		return fmt.Errorf("%s: %w", actions[failed], err)
	}
	return nil
}
