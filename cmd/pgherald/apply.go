package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// watchFlags name the database and the watched tables.
type watchFlags struct {
	configFlags
	databaseFlags `group:"database"`
	specFlags     `group:"database"`
}

// forgottenSpec explains missing tables of the example.
const forgottenSpec = "neither --spec nor --tables is set, so these are the tables of the example: set one of them, or create them with pgherald migrate up"

// withSpec calls do with a connection and the spec.
func (f watchFlags) withSpec(a *app, do func(*pgx.Conn, triggers.Spec) error) error {
	if err := f.watch().Validate(); err != nil {
		return err
	}
	spec, _, err := f.watch().Load()
	if err != nil {
		return err
	}
	return f.connect(a.ctx, func(conn *pgx.Conn) error {
		err := do(conn, spec)
		if f.watch().IsExample() && errors.Is(err, triggers.ErrNoTable) {
			return fmt.Errorf("%w\n%s", err, forgottenSpec)
		}
		return err
	})
}

// replaceFlags permit what apply refuses.
type replaceFlags struct {
	Prune bool `help:"Remove the triggers of all other specs too."`
	Force bool `help:"Install the spec although a newer one is installed."`
}

func (f replaceFlags) replaceOptions() []triggers.Option {
	var options []triggers.Option
	if f.Prune {
		options = append(options, triggers.Prune())
	}
	if f.Force {
		options = append(options, triggers.Force())
	}
	return options
}

type applyCmd struct {
	watchFlags
	replaceFlags
	lockFlags `group:"database"`
}

// Run installs the triggers and prints what changed.
func (c applyCmd) Run(a *app) error {
	if err := migrations.CheckOwners(a.ctx, c.DatabaseURL); err != nil {
		return err
	}
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		var notes []triggers.Note
		changes, err := triggers.Apply(a.ctx, conn, spec, append(c.lockOptions(a), append(c.replaceOptions(), triggers.Notes(&notes))...)...)
		if err != nil {
			return err
		}
		printNotes(a, notes)
		for _, change := range changes {
			fmt.Fprintln(a.stdout, change)
		}
		if len(changes) == 0 {
			fmt.Fprintln(a.stdout, "triggers match the spec: nothing to change")
		}
		return warn(a, conn, spec)
	})
}

// warn prints what is probably a mistake in a spec that matches.
func warn(a *app, conn *pgx.Conn, spec triggers.Spec) error {
	drift, err := triggers.Check(a.ctx, conn, spec)
	for _, d := range drift {
		if d.Kind.IsWarning() {
			fmt.Fprintln(a.stderr, "warning:", d)
		}
	}
	return err
}

// printNotes says what the spec does not say itself.
func printNotes(a *app, notes []triggers.Note) {
	for _, line := range triggers.Summarize(notes) {
		fmt.Fprintln(a.stderr, line)
	}
}
