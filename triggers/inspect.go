package triggers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inspection is the result of Inspect.
type Inspection struct {
	Drift []Drift
	// Reset holds the tables for which this call, and not that of another server, logged a collection_reset.
	Reset []Name
	// Checked reports that the call has checked everything: at first, after a change of the catalog, and now and then.
	Checked bool
}

// Inspector checks the triggers of a spec again and again. It is not safe for concurrent use.
type Inspector struct {
	spec Spec
	// known is the fingerprint at the last check, result what that found, and at when it was.
	known  string
	result checked
	at     time.Time
	// checks counts the checks of everything.
	checks int
}

// recheckInterval is the time after which Inspect checks everything although the fingerprint is the same. Changes
// of joined tables, roles and functions are not part of it.
const recheckInterval = 10 * time.Minute

// NewInspector returns an inspector that has checked nothing yet.
func NewInspector(spec Spec) *Inspector { return &Inspector{spec: spec} }

// Forget makes the next Inspect check everything.
func (i *Inspector) Forget() { i.known = "" }

// Inspect checks as Check does, and logs a collection_reset for each table whose writes began to give no event or
// the wrong one, or whose triggers are right again, or whose rows a crash removed. However many servers call
// Inspect, they log one event for each of these changes.
//
// Most calls only read: Inspect writes if there is something to log. And most read little: it checks everything
// only if the catalog shows a change, or after recheckInterval.
func (i *Inspector) Inspect(ctx context.Context, conn *pgx.Conn) (Inspection, error) {
	var seen inspection
	before := i.checks
	err := readOnly(ctx, conn, func(tx pgx.Tx) (err error) {
		all, err := expand(ctx, tx, i.spec)
		if err != nil {
			return err
		}
		if err := i.refresh(ctx, tx, all); err != nil {
			return err
		}
		seen, err = inspect(ctx, tx, all.spec, i.result)
		return err
	})
	if err != nil {
		return Inspection{}, fmt.Errorf("check triggers: %w", err)
	}
	if !seen.differs() {
		return Inspection{Drift: seen.drift, Checked: i.checks > before}, nil
	}
	i.Forget()
	done, err := recordDrift(ctx, conn, i.spec)
	return Inspection{Drift: seen.drift, Reset: done, Checked: true}, err
}

// refresh checks everything if that may give another result than the last time.
func (i *Inspector) refresh(ctx context.Context, tx pgx.Tx, all expansion) error {
	now, err := fingerprint(ctx, tx, all.spec)
	if err != nil || now == i.known && time.Since(i.at) < recheckInterval {
		return err
	}
	i.Forget()
	result, err := check(ctx, tx, all)
	if err != nil {
		return err
	}
	i.known, i.result, i.at, i.checks = now, result, time.Now(), i.checks+1
	return nil
}

// recordDrift looks again under the lock that Apply takes, because another server or Apply may have been faster. Then
// it stores what clients know, and informs them. It does nothing while Apply runs: the next Inspect comes.
func recordDrift(ctx context.Context, conn *pgx.Conn, spec Spec) (done []Name, err error) {
	err = transact(ctx, conn, recordTimeout, func(tx pgx.Tx) error {
		all, err := expand(ctx, tx, spec)
		if err != nil {
			return err
		}
		result, err := check(ctx, tx, all)
		if err != nil {
			return err
		}
		seen, err := inspect(ctx, tx, all.spec, result)
		if err != nil {
			return err
		}
		done, err = seen.record(ctx, tx)
		return err
	})
	switch {
	case isBusy(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("record the drift of triggers: %w", err)
	}
	return done, nil
}

// inspection compares the drift with what clients know of it.
type inspection struct {
	drift []Drift
	// missing holds the tables of the spec whose events may be missed, known those of which clients know.
	missing, known []Name
	// crashed reports that a crash has emptied the unlogged tables.
	crashed bool
	// moves are the partitions of which clients do not know that they came or left.
	moves []memberMoves
}

func inspect(ctx context.Context, tx pgx.Tx, spec Spec, result checked) (inspection, error) {
	seen := inspection{drift: result.drift}
	if result.current { // otherwise the servers with the installed state compare
		if err := seen.compare(ctx, tx, spec, result.members); err != nil {
			return seen, err
		}
	}
	err := tx.QueryRow(ctx, `select not exists (select from pgherald.since_crash)`).Scan(&seen.crashed)
	if err != nil {
		return seen, fmt.Errorf("read pgherald.since_crash: %w", err)
	}
	return seen, nil
}

// compare finds the tables whose events may be missed, and those whose partitions came or left. Those that another spec watches are not for this one to judge.
func (seen *inspection) compare(ctx context.Context, tx pgx.Tx, spec Spec, tables []members) error {
	var foreign []Name
	for _, d := range seen.drift {
		switch {
		case d.Table == Name{}:
		case d.Kind == KindOwner:
			foreign = append(foreign, d.Table)
		case d.Kind.MayMiss() && !slices.Contains(seen.missing, d.Table):
			seen.missing = append(seen.missing, d.Table)
		}
	}
	known, noted, err := loadDrift(ctx, tx, spec)
	if err != nil {
		return fmt.Errorf("read pgherald.drift: %w", err)
	}
	seen.missing, seen.known = without(seen.missing, foreign), without(known, foreign)
	for _, m := range tables {
		if moves := m.since(noted[m.table.String()]); !moves.isEmpty() {
			seen.moves = append(seen.moves, moves)
		}
	}
	return nil
}

func (seen inspection) differs() bool {
	return seen.crashed || len(seen.broken()) > 0 || len(seen.repaired()) > 0 || len(seen.moves) > 0
}

// broken returns the tables of whose drift clients do not know yet.
func (seen inspection) broken() []Name { return without(seen.missing, seen.known) }

// repaired returns the tables of whose repair clients do not know yet.
func (seen inspection) repaired() []Name { return without(seen.known, seen.missing) }

func without(names, others []Name) []Name {
	return slices.DeleteFunc(slices.Clone(names), func(n Name) bool { return slices.Contains(others, n) })
}

// record stores what clients know, and informs them.
func (seen inspection) record(ctx context.Context, tx pgx.Tx) ([]Name, error) {
	broken, repaired := seen.broken(), seen.repaired()
	var emptied []Name
	if seen.crashed {
		if _, err := tx.Exec(ctx, `insert into pgherald.since_crash default values`); err != nil {
			return nil, fmt.Errorf("write pgherald.since_crash: %w", err)
		}
		var err error
		if emptied, err = loadUnlogged(ctx, tx); err != nil {
			return nil, fmt.Errorf("look up the unlogged tables: %w", err)
		}
	}
	moved, err := seen.recordMoves(ctx, tx)
	if err != nil {
		return nil, err
	}
	moved = without(moved, slices.Concat(broken, repaired, emptied))
	return slices.Concat(broken, repaired, emptied, moved), inform(ctx, tx, broken, repaired, emptied, moved)
}
