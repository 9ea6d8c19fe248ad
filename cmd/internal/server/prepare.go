package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// Watch says which tables are watched: those of a spec file, or those that Tables names. The zero value means the tables
// of the workload.
type Watch struct {
	// Spec is a YAML file.
	Spec string
	// Tables are names, patterns, and patterns to exclude after a !.
	Tables []string
}

// IsExample reports whether the watched tables are those of the workload.
func (w Watch) IsExample() bool { return w.Spec == "" && len(w.Tables) == 0 }

// Load reads the spec. It also returns the sets of migrations that the spec needs.
func (w Watch) Load() (triggers.Spec, []migrations.Set, error) {
	sets := []migrations.Set{migrations.Engine()}
	switch {
	case w.IsExample():
		return triggers.Workload(), append(sets, migrations.Workload()), nil
	case w.Spec == "":
		spec, err := triggers.Choose(w.Tables)
		if err != nil {
			return spec, nil, fmt.Errorf("read --tables: %w", err)
		}
		return spec, sets, nil
	}
	text, err := os.ReadFile(w.Spec)
	if err != nil {
		return triggers.Spec{}, nil, fmt.Errorf("read the spec: %w", err)
	}
	spec, err := triggers.Parse(text)
	if err != nil {
		return triggers.Spec{}, nil, fmt.Errorf("read the spec %s: %w", w.Spec, err)
	}
	return spec, sets, nil
}

// Validate returns an error if two settings contradict each other.
func (w Watch) Validate() error {
	if w.Spec != "" && len(w.Tables) > 0 {
		return errors.New("--spec and --tables both say which tables to watch: set one of them; pgherald init --tables writes a spec")
	}
	return nil
}

// prepare brings tables and triggers up to date. With NoMigrate it returns an error if the tables are out of date,
// and with NoApply if nothing of the spec is installed.
func (d Database) prepare(ctx context.Context, logger *slog.Logger) error {
	spec, sets, err := d.Load()
	if err != nil {
		return err
	}
	conn, err := Connect(ctx, d.ListenURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := d.checkDelivery(ctx, conn); err != nil {
		return err
	}
	if err := d.refuseExample(ctx, conn); err != nil {
		return err
	}
	if err := d.migrate(ctx, sets); err != nil {
		return err
	}
	if !d.NoMigrate {
		if err := d.warnOfRole(ctx, logger); err != nil {
			return err
		}
	}
	if d.NoApply {
		return checkTriggers(ctx, conn, spec)
	}
	return d.applyTriggers(ctx, conn, spec, logger)
}

// checkDelivery returns an error if the URL for sessions leads through a pooler in transaction mode.
func (d Database) checkDelivery(ctx context.Context, listening *pgx.Conn) error {
	sending, err := Connect(ctx, d.ListenURL)
	if err != nil {
		return err
	}
	defer sending.Close(context.WithoutCancel(ctx))
	return notify.CheckDelivery(ctx, listening, sending)
}

// warnOfRole logs what is to do if the migrations could not create the role of the trigger functions.
func (d Database) warnOfRole(ctx context.Context, logger *slog.Logger) error {
	advice, err := migrations.RoleAdvice(ctx, d.ListenURL)
	if err == nil && advice != "" {
		logger.Warn("trigger functions run with the rights of the role that applies them: run the SQL as a superuser, then migrate up", "sql", advice)
	}
	return err
}

// migrate creates or changes the tables, or returns an error if they are out of date and NoMigrate is set.
func (d Database) migrate(ctx context.Context, sets []migrations.Set) error {
	if !d.NoMigrate {
		return migrations.Up(ctx, d.ListenURL, sets...) // its lock belongs to a session
	}
	statuses, err := migrations.StatusOf(ctx, d.ListenURL, sets...)
	if err != nil {
		return err
	}
	var outdated []error
	for _, s := range statuses {
		if s.IsNewer() && !s.IsCompatible() && !s.Dirty && !s.Unknown {
			outdated = append(outdated, &migrations.NewerError{Status: s})
		} else if s.Dirty || s.Unknown || s.Version < s.Latest {
			outdated = append(outdated, fmt.Errorf("%s is at version %d of %d%s", s.Set, s.Version, s.Latest, MigrationAdvice(s, !d.IsExample())))
		}
	}
	return errors.Join(outdated...)
}

// MigrationAdvice returns the end of a sentence about a set of tables that says what to do. It is empty if
// there is nothing to do. engineOnly says that the tables of the activities are not wanted.
func MigrationAdvice(s migrations.Status, engineOnly bool) string {
	switch {
	case s.Dirty:
		return fmt.Sprintf(": stopped half-way in version %d; look at the tables, then run pgherald migrate repair", s.Version)
	case s.Unknown:
		return fmt.Sprintf(": the tables exist, in an unknown version; look at them, then run pgherald migrate repair %s", s.Set)
	case s.IsCompatible():
		return ": made by a newer pgherald than this one, which works with it"
	case s.IsNewer():
		return fmt.Sprintf(": made by a newer pgherald; servers of this one refuse to start, use one that knows version %d", max(s.CompatibleFrom, s.Latest+1))
	case s.Version < s.Latest && engineOnly:
		return ": run pgherald migrate up --engine-only"
	case s.Version == 0:
		return ": run pgherald migrate up, with --engine-only for a spec of your own"
	case s.Version < s.Latest:
		return ": run pgherald migrate up"
	}
	return ""
}
