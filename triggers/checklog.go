package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// checkLog reports properties that the log must not have.
func checkLog(ctx context.Context, tx pgx.Tx) ([]Drift, error) {
	var log traits
	err := tx.QueryRow(ctx, `
		select c.relpersistence = 'u', c.relrowsecurity
		from pg_class as c
		where c.oid = 'pgherald.events'::regclass`).Scan(&log.unlogged, &log.rowSecurity)
	if err != nil {
		return nil, fmt.Errorf("look up properties of the log: %w", err)
	}
	var drifts []Drift
	if log.rowSecurity {
		drifts = append(drifts, Drift{
			Kind: KindRowSecurity, Message: "the log pgherald.events has row-level security: servers may miss events",
			Remedy: "run `alter table pgherald.events disable row level security`",
		})
	}
	if log.unlogged {
		drifts = append(drifts, Drift{
			Kind: KindUnlogged, Message: "the log pgherald.events is unlogged: a crash of PostgreSQL empties it, and clients resume across the gap",
			Remedy: "run `alter table pgherald.events set logged`",
		})
	}
	return checkLogTriggers(ctx, tx, drifts)
}

// logTriggersSQL returns a statement for each of the log's own triggers that is not enabled as the migrations left it.
const logTriggersSQL = `
select format('alter table pgherald.%I enable %s trigger %I', w.name, w.mode, t.tgname)
from (values
	('events', 'skip_foreign', 'A', 'always'),
	('events', 'skip_replicated', 'R', 'replica'),
	('log', 'skip_replicated', 'R', 'replica')
) as w (name, trigger, enabled, mode)
join pg_class as c on c.relnamespace = 'pgherald'::regnamespace and c.relname = w.name
join pg_trigger as t on t.tgrelid = c.oid and t.tgname = w.trigger
where t.tgenabled::text <> w.enabled
order by 1`

// checkLogTriggers reports triggers that no longer keep rows of other logs out of this one, as after a
// pg_restore --disable-triggers.
func checkLogTriggers(ctx context.Context, tx pgx.Tx, drifts []Drift) ([]Drift, error) {
	rows, err := tx.Query(ctx, logTriggersSQL)
	if err != nil {
		return nil, fmt.Errorf("look up the triggers of the log: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look up the triggers of the log: %w", err)
	}
	for _, sql := range statements {
		drifts = append(drifts, Drift{
			Kind: KindDisabled, Message: "a trigger of the log is not enabled as it was created: rows of other clusters may come in",
			Remedy: "run `" + sql + "`",
		})
	}
	return drifts, nil
}
