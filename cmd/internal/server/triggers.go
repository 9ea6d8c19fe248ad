package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// applyTriggers installs the triggers of the spec. A table that cannot be watched does not keep the others from
// being served: the watcher reports it. Nor does a newer spec: the server serves what that one has installed.
func (d Database) applyTriggers(ctx context.Context, conn *pgx.Conn, spec triggers.Spec, logger *slog.Logger) error {
	var notes []triggers.Note
	changes, err := triggers.Apply(ctx, conn, spec, triggers.Partial(), triggers.LockTimeout(d.LockTimeout), LogWaits(logger), triggers.Notes(&notes))
	for _, line := range triggers.Summarize(notes) {
		logger.Info("tables differ from the defaults", "difference", line)
	}
	for _, change := range changes {
		logger.Debug("trigger changed", "change", change)
	}
	if len(changes) > 0 {
		logger.Info("triggers applied", "changes", len(changes))
	}
	var superseded *triggers.SupersededError
	if errors.As(err, &superseded) {
		logger.Warn("serving with the installed triggers: this server's spec is an older one",
			"spec", superseded.Spec, "reason", superseded.Reason, "remedy", superseded.Remedy)
		return nil
	}
	return err
}

// refuseExample returns an error if no spec was named, and the database has the triggers of other specs but not those
// of the example: --spec is missing. To migrate would add the example's tables to the database.
func (d Database) refuseExample(ctx context.Context, conn *pgx.Conn) error {
	if !d.IsExample() {
		return nil
	}
	list, err := triggers.List(ctx, conn)
	if err != nil {
		return err
	}
	example := triggers.Workload()
	var others []string
	for _, w := range list {
		isExample := slices.ContainsFunc(example.Tables, func(t triggers.Table) bool { return t.Name == w.Table })
		if w.Spec == example.Name || w.Spec == "" && isExample {
			return nil
		}
		others = append(others, cmp.Or(w.Spec, "one without a name"))
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	return fmt.Errorf("find the spec to serve: neither --spec nor --tables is set, and the database has the triggers of other specs (%s; pgherald list shows them): "+
		"set --spec to one of their files, or --tables; to add the example's tables, run pgherald migrate up and pgherald apply first",
		strings.Join(slices.Compact(others), ", "))
}

// waitsLogged is the time between two log lines about the same wait.
const waitsLogged = 5 * time.Second

// LogWaits returns the option that logs who keeps a change of triggers from the tables: at once, and every 5 s.
func LogWaits(logger *slog.Logger) triggers.Option {
	var last time.Time
	return triggers.OnWait(func(busy *triggers.BusyError) {
		if time.Since(last) < waitsLogged {
			return
		}
		last = time.Now()
		holders := make([]string, len(busy.Holders))
		for i, h := range busy.Holders {
			holders[i] = h.String()
		}
		logger.Info("waiting to lock tables for triggers", "in_use", holders,
			"waited_ms", busy.Waited.Milliseconds(), "left_ms", busy.Left.Milliseconds())
	})
}

// checkTriggers returns an error that lists how the triggers differ from the spec, if nothing of it is installed.
// Other drift is no reason not to serve what is installed: the watcher reports it.
func checkTriggers(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) error {
	installed, err := triggers.IsInstalled(ctx, conn, spec)
	if err != nil || installed {
		return err
	}
	drift, err := triggers.Check(ctx, conn, spec)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range drift {
		errs = append(errs, errors.New(d.String()))
	}
	return errors.Join(append(errs, errors.New("nothing of the spec is installed: run pgherald apply"))...)
}
