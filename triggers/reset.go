package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// recordTimeout bounds how long Inspect waits for an Apply.
const recordTimeout = 5 * time.Second

// loadDrift returns the tables of the spec that pgherald.drift holds, and the partitions, by table: see members.go.
func loadDrift(ctx context.Context, tx pgx.Tx, spec Spec) (names []Name, noted map[string][]string, err error) {
	byText := make(map[string]Name)
	for _, t := range spec.Tables {
		byText[t.Name.String()] = t.Name
	}
	rows, err := tx.Query(ctx, `select table_name from pgherald.drift order by table_name`)
	if err != nil {
		return nil, nil, err
	}
	noted = make(map[string][]string)
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		if name, ok := byText[text]; ok {
			names = append(names, name)
		}
		if table, function, ok := strings.Cut(text, memberSeparator); ok {
			noted[table] = append(noted[table], function)
		}
		return nil
	})
	return names, noted, err
}

// resets returns the changes that tell clients to load a table again, for each table that was watched before and
// whose events may have been missed until now or lacked new columns. A state of the spec that is applied for the first time changes
// functions and triggers of which nothing was missed.
func resets(spec Spec, tables []resolved, found installed, known []Name) []change {
	current := found.isCurrent(spec)
	var changes []change
	for _, r := range tables {
		name := r.table.Name
		missed := slices.ContainsFunc(r.changes(found), func(c change) bool {
			return c.kind.MayMiss() && (current || c.showsDrift(found))
		})
		switch {
		case len(r.mistakes) > 0:
		case slices.Contains(known, name) || missed && r.wasWatched(found):
			c := r.loadAgain()
			c.drift, c.kind, c.sql = "clients have yet to load "+name.String()+" again", KindMissing, append([]string{unmarkSQL(name)}, c.sql...)
			changes = append(changes, c)
		case r.hidesColumns(found): // an update may have filled them before
			changes = append(changes, r.loadAgain())
		}
	}
	return changes
}

// hidesColumns reports whether the events of the table lack new columns.
func (r resolved) hidesColumns(found installed) bool {
	return r.table.isNamed && len(r.newColumns(found)) > 0
}

// loadAgain returns the change that tells clients to load the table again.
func (r resolved) loadAgain() change {
	name := r.table.Name
	return change{action: "tell clients to load " + name.String() + " again", sql: []string{resetSQL(name, reasonTriggers)}}
}

// removals returns the changes that tell clients of the tables that leave the spec.
func removals(want objects, found installed) []change {
	var changes []change
	for _, have := range found.triggers {
		if have.isRow() && !want.watches(have.table) {
			changes = append(changes, change{
				action: "tell clients that " + have.table.String() + " is not in the spec any more",
				sql:    []string{tellSpec(have.table)}, silent: true,
			})
		}
	}
	return changes
}

// tellSpec generates the statement that resets a table because the spec has less of it. A role that may change triggers
// need not have the right to say so.
func tellSpec(table Name) string {
	return "do $tell$ begin\n    " + strings.ReplaceAll(resetEvent(table, reasonSpec), "\n", "\n    ") + ";\n    " + wakeForDrift +
		"\nexception when insufficient_privilege then\n    null;\nend $tell$"
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
	// The spec no longer has the table, or a filter field of its collection. Servers with an older spec take note of it:
	// see collection.Set.
	reasonSpec = collection.ReasonSpec
)

// resetSQL generates the statements that tell every client to load a table again. None returns rows, which psql would
// print.
func resetSQL(table Name, reason string) string {
	return resetEvent(table, reason) + ";\ndo $wake$ begin\n    " + wakeForDrift + "\nend $wake$"
}

func resetEvent(table Name, reason string) string {
	return fmt.Sprintf(`insert into pgherald.events (type, key, audience, data)
select 'collection_reset', null, null, to_json(payload.*)
from (select %s as "table", %s as reason) as payload`, quoteLiteral(table.String()), quoteLiteral(reason))
}

const wakeForDrift = "perform pgherald.wake(json_build_object('op', 'drift', 'rows', 1, 'xid', pg_current_xact_id()::text));"

// inform records the tables that drift and those that are repaired, and tells every client to load them again, and
// tables that a crash has emptied or whose partitions came or left.
func inform(ctx context.Context, tx pgx.Tx, broken, repaired, emptied, moved []Name) error {
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
	for _, name := range moved {
		statements = append(statements, resetSQL(name, reasonTriggers))
	}
	if _, err := tx.Exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return fmt.Errorf("tell clients to load tables again: %w", err)
	}
	return nil
}
