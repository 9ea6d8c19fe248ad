package triggers

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Inspection is the result of Inspect.
type Inspection struct {
	Drift []Drift
	// Reset holds the tables for which this call, and not that of another server, logged a collection_reset.
	Reset []Name
}

// Inspect checks as Check does, and logs a collection_reset for each table whose writes began to give no event or
// the wrong one, or whose triggers are right again, or whose rows a crash removed. However many servers call
// Inspect, they log one event for each of these changes.
//
// Most calls only read: Inspect writes if there is something to log.
func Inspect(ctx context.Context, conn *pgx.Conn, spec Spec) (Inspection, error) {
	var seen inspection
	err := readOnly(ctx, conn, func(tx pgx.Tx) (err error) {
		seen, err = inspect(ctx, tx, spec)
		return err
	})
	if err != nil {
		return Inspection{}, fmt.Errorf("check triggers: %w", err)
	}
	if !seen.differs() {
		return Inspection{Drift: seen.drift}, nil
	}
	var done []Name
	// Another server, or Apply, may have been faster: look again under the lock that Apply takes.
	err = transact(ctx, conn, inspectLockTimeout, func(tx pgx.Tx) (err error) {
		if seen, err = inspect(ctx, tx, spec); err != nil {
			return err
		}
		done, err = seen.record(ctx, tx)
		return err
	})
	if err != nil {
		return Inspection{Drift: seen.drift}, fmt.Errorf("record the drift of triggers: %w", err)
	}
	return Inspection{Drift: seen.drift, Reset: done}, nil
}

// inspection compares what is wrong with what servers have told clients.
type inspection struct {
	spec  Spec
	drift []Drift
	// missing holds the tables of the spec whose events may be missed, told those of which clients know.
	missing, told []Name
	// crashed reports that a crash has emptied the unlogged tables.
	crashed  bool
	unlogged []Name
}

func inspect(ctx context.Context, tx pgx.Tx, spec Spec) (inspection, error) {
	seen := inspection{spec: spec}
	var err error
	if seen.drift, err = check(ctx, tx, spec); err != nil {
		return seen, err
	}
	for _, d := range seen.drift {
		switch {
		case d.Kind == KindUnlogged:
			seen.unlogged = append(seen.unlogged, d.Table)
		case d.Kind.MayMiss() && d.Table != Name{} && !slices.Contains(seen.missing, d.Table):
			seen.missing = append(seen.missing, d.Table)
		}
	}
	if seen.told, err = loadDrift(ctx, tx, spec); err != nil {
		return seen, fmt.Errorf("read pgherald.drift: %w", err)
	}
	err = tx.QueryRow(ctx, `select not exists (select from pgherald.since_crash)`).Scan(&seen.crashed)
	if err != nil {
		return seen, fmt.Errorf("read pgherald.since_crash: %w", err)
	}
	return seen, nil
}

func (seen inspection) differs() bool {
	return seen.crashed || len(seen.broken()) > 0 || len(seen.repaired()) > 0
}

// broken returns the tables of whose drift clients do not know yet.
func (seen inspection) broken() []Name { return without(seen.missing, seen.told) }

// repaired returns the tables of whose repair clients do not know yet.
func (seen inspection) repaired() []Name { return without(seen.told, seen.missing) }

func without(names, others []Name) []Name {
	return slices.DeleteFunc(slices.Clone(names), func(n Name) bool { return slices.Contains(others, n) })
}

// record stores what clients are told, and tells them.
func (seen inspection) record(ctx context.Context, tx pgx.Tx) ([]Name, error) {
	broken, repaired := seen.broken(), seen.repaired()
	var emptied []Name
	if seen.crashed {
		if _, err := tx.Exec(ctx, `insert into pgherald.since_crash default values`); err != nil {
			return nil, fmt.Errorf("write pgherald.since_crash: %w", err)
		}
		emptied = seen.unlogged
	}
	return slices.Concat(broken, repaired, emptied), tell(ctx, tx, broken, repaired, emptied)
}
