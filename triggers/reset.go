package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// recordTimeout bounds how long Inspect waits for an Apply.
const recordTimeout = 5 * time.Second

// loadDrift returns the tables of the spec that pgherald.drift holds.
func loadDrift(ctx context.Context, tx pgx.Tx, spec Spec) ([]Name, error) {
	byText := make(map[string]Name)
	for _, t := range spec.Tables {
		byText[t.Name.String()] = t.Name
	}
	rows, err := tx.Query(ctx, `select table_name from pgherald.drift order by table_name`)
	if err != nil {
		return nil, err
	}
	var names []Name
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		if name, ok := byText[text]; ok {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// resets returns the changes that tell clients to load a table again, for each table that was watched before and
// whose events may have been missed until now. A state of the spec that is applied for the first time changes
// functions and triggers of which nothing was missed.
func resets(spec Spec, tables []resolved, found installed, known []Name) []change {
	current := found.isCurrent(spec)
	var changes []change
	for _, r := range tables {
		name := r.table.Name
		missed := slices.ContainsFunc(r.changes(found), func(c change) bool {
			return c.kind.MayMiss() && (current || c.showsDrift(found))
		})
		isDue := slices.Contains(known, name) || missed && r.wasWatched(found)
		if len(r.mistakes) > 0 || !isDue {
			continue
		}
		changes = append(changes, change{
			drift:  "clients have yet to load " + name.String() + " again",
			action: "tell clients to load " + name.String() + " again",
			sql:    []string{unmarkSQL(name), resetSQL(name, reasonTriggers)},
			kind:   KindMissing,
		})
	}
	return changes
}

// showsDrift reports whether the change is necessary whatever the spec says: a trigger does not fire, or its function
// has lost it.
func (c change) showsDrift(found installed) bool {
	_, ok := found.function(c.function)
	return c.kind == KindDisabled || c.kind == KindMissing && ok
}

// wasWatched reports whether a function of the table is installed.
func (r resolved) wasWatched(found installed) bool {
	return slices.ContainsFunc(r.mayHave(), func(name string) bool {
		_, ok := found.function(name)
		return ok
	})
}

// markSQL generates the statement that records that events of a table are missed from now on.
func markSQL(table Name) string {
	return "insert into pgherald.drift (table_name) values (" + quoteLiteral(table.String()) + ") on conflict do nothing"
}

// unmarkSQL generates the statement that records that events of a table are missed no longer.
func unmarkSQL(table Name) string {
	return "delete from pgherald.drift where table_name = " + quoteLiteral(table.String())
}

// The reasons that a collection_reset gives.
const (
	reasonTriggers = "triggers" // they missed writes, or may have
	reasonCrash    = "crash"    // PostgreSQL emptied an unlogged table
)

// resetSQL generates the statements that tell every client to load a table again. None returns rows, which psql would
// print.
func resetSQL(table Name, reason string) string {
	return fmt.Sprintf(`insert into pgherald.events (type, key, audience, data)
select 'collection_reset', null, null, to_json(payload.*)
from (select %s as "table", %s as reason) as payload;
do $wake$ begin
    perform pgherald.wake(json_build_object('op', 'drift', 'rows', 1, 'xid', pg_current_xact_id()::text));
end $wake$`,
		quoteLiteral(table.String()), quoteLiteral(reason))
}

// inform records the tables that drift and those that are repaired, and tells every client to load them again, and
// tables that a crash has emptied.
func inform(ctx context.Context, tx pgx.Tx, broken, repaired, emptied []Name) error {
	var statements []string
	for _, name := range broken {
		statements = append(statements, markSQL(name), resetSQL(name, reasonTriggers))
	}
	for _, name := range repaired {
		statements = append(statements, unmarkSQL(name), resetSQL(name, reasonTriggers))
	}
	for _, name := range emptied {
		statements = append(statements, resetSQL(name, reasonCrash))
	}
	if _, err := tx.Exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return fmt.Errorf("tell clients to load tables again: %w", err)
	}
	return nil
}
