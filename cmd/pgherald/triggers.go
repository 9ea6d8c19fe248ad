package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// triggersCmd holds the commands for the triggers of watched tables.
type triggersCmd struct {
	Show  triggersShowCmd  `cmd:"" help:"Print what apply would do, as a script for psql."`
	Apply triggersApplyCmd `cmd:"" help:"Install the triggers of the spec, and remove its former ones."`
	Drop  triggersDropCmd  `cmd:"" help:"Remove the triggers of the spec. The event log stays."`
	List  triggersListCmd  `cmd:"" help:"List the watched tables, and which spec watches each."`
	Check triggersCheckCmd `cmd:"" help:"List how the triggers differ from the spec, and what is probably a mistake. Exit code 1 if they differ."`
}

type watchFlags struct {
	configFlags
	databaseFlags `group:"database"`
	specFlags     `group:"database"`
}

// forgottenSpec explains missing tables of the example.
const forgottenSpec = "--spec is not set, so these are the tables of the example: set it to the file of your spec, or create them with pgherald migrate up"

// withSpec calls do with a connection and the spec.
func (f watchFlags) withSpec(a *app, do func(*pgx.Conn, triggers.Spec) error) error {
	spec, _, err := server.LoadSpec(f.Spec)
	if err != nil {
		return err
	}
	return f.connect(a.ctx, func(conn *pgx.Conn) error {
		err := do(conn, spec)
		if f.Spec == "" && errors.Is(err, triggers.ErrNoTable) {
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

type triggersShowCmd struct {
	watchFlags
	replaceFlags
}

// Run prints the SQL.
func (c triggersShowCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		sql, err := triggers.SQL(a.ctx, conn, spec, c.replaceOptions()...)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(a.stdout, sql)
		return err
	})
}

type triggersApplyCmd struct {
	watchFlags
	replaceFlags
	lockFlags `group:"database"`
}

// Run installs the triggers and prints what changed.
func (c triggersApplyCmd) Run(a *app) error {
	if err := migrations.CheckOwners(a.ctx, c.DatabaseURL); err != nil {
		return err
	}
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		changes, err := triggers.Apply(a.ctx, conn, spec, append(c.lockOptions(a), c.replaceOptions()...)...)
		if err != nil {
			return err
		}
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

type triggersDropCmd struct {
	watchFlags
	Name      string `placeholder:"NAME" help:"Remove the triggers of the spec with this name; its file is not needed."`
	All       bool   `help:"Remove the triggers of all specs."`
	lockFlags `group:"database"`
}

// Run removes the triggers and prints what changed.
func (c triggersDropCmd) Run(a *app) error {
	if c.All && c.Name != "" {
		return errors.New("--all removes the triggers of all specs and --name those of one: give only one of them")
	}
	if err := migrations.CheckOwners(a.ctx, c.DatabaseURL); err != nil {
		return err
	}
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		if c.Name != "" {
			spec = triggers.Spec{Name: c.Name}
		}
		drop := func(options ...triggers.Option) (triggers.Changes, error) {
			if c.All {
				return triggers.DropAll(a.ctx, conn, options...)
			}
			return triggers.Drop(a.ctx, conn, spec, options...)
		}
		changes, err := drop(c.lockOptions(a)...)
		for _, change := range changes {
			fmt.Fprintln(a.stdout, change)
		}
		if err == nil && len(changes) == 0 {
			return c.nothing(a, conn, spec)
		}
		return err
	})
}

// nothing reports that there was nothing to remove, and what else there is.
func (c triggersDropCmd) nothing(a *app, conn *pgx.Conn, spec triggers.Spec) error {
	list, err := triggers.List(a.ctx, conn)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "no triggers are installed: nothing to remove")
		return nil
	}
	return fmt.Errorf("remove the triggers of spec %s: it has none here; pgherald triggers list shows whose there are, --spec, --name and --all choose others", spec.Name)
}

type triggersCheckCmd struct{ watchFlags }

// Run prints each difference and warning, and returns an error if there is a difference.
func (c triggersCheckCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		drift, err := triggers.Check(a.ctx, conn, spec)
		if err != nil {
			return err
		}
		differences, missing := 0, false
		for _, d := range drift {
			if d.Kind.IsWarning() {
				fmt.Fprintln(a.stdout, "warning:", d)
				continue
			}
			fmt.Fprintln(a.stdout, d)
			differences++
			missing = missing || d.Kind == triggers.KindTable
		}
		if differences > 0 {
			return c.differs(differences, missing)
		}
		fmt.Fprintln(a.stdout, "triggers match the spec")
		return nil
	})
}

// differs returns the error for a number of differences. If a table is missing, --spec may be.
func (c triggersCheckCmd) differs(n int, missing bool) error {
	places := "places"
	if n == 1 {
		places = "place"
	}
	err := fmt.Errorf("triggers differ from the spec in %d %s", n, places)
	if missing && c.Spec == "" {
		err = fmt.Errorf("%w\n%s", err, forgottenSpec)
	}
	return err
}
