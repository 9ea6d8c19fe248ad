package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/triggers"
)

// triggersCmd holds the commands for the triggers of watched tables.
type triggersCmd struct {
	Show  triggersShowCmd  `cmd:"" help:"Print the SQL that apply would run."`
	Apply triggersApplyCmd `cmd:"" help:"Install the triggers, and remove those of tables that are no longer watched."`
	Drop  triggersDropCmd  `cmd:"" help:"Remove all triggers. The event log stays."`
	Check triggersCheckCmd `cmd:"" help:"List how the triggers differ from the spec, and what is probably a mistake. Exit code 1 if they differ."`
}

type watchFlags struct {
	configFlags
	databaseFlags `group:"database"`
	specFlags     `group:"database"`
}

// withSpec calls do with a connection and the spec.
func (f watchFlags) withSpec(a *app, do func(*pgx.Conn, triggers.Spec) error) error {
	spec, _, err := server.LoadSpec(f.Spec)
	if err != nil {
		return err
	}
	return f.connect(a.ctx, func(conn *pgx.Conn) error { return do(conn, spec) })
}

type triggersShowCmd struct{ watchFlags }

// Run prints the SQL.
func (c triggersShowCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		sql, err := triggers.SQL(a.ctx, conn, spec)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(a.stdout, sql)
		return err
	})
}

type triggersApplyCmd struct {
	watchFlags
	lockFlags `group:"database"`
}

// Run installs the triggers and prints what changed.
func (c triggersApplyCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		changes, err := triggers.Apply(a.ctx, conn, spec, c.options(a)...)
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
	configFlags
	databaseFlags `group:"database"`
	lockFlags     `group:"database"`
}

// Run removes the triggers and prints what changed.
func (c triggersDropCmd) Run(a *app) error {
	return c.connect(a.ctx, func(conn *pgx.Conn) error {
		changes, err := triggers.Drop(a.ctx, conn, c.options(a)...)
		for _, change := range changes {
			fmt.Fprintln(a.stdout, change)
		}
		return err
	})
}

type triggersCheckCmd struct{ watchFlags }

// Run prints each difference and warning, and returns an error if there is a difference.
func (c triggersCheckCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		drift, err := triggers.Check(a.ctx, conn, spec)
		if err != nil {
			return err
		}
		differences := 0
		for _, d := range drift {
			if d.Kind.IsWarning() {
				fmt.Fprintln(a.stdout, "warning:", d)
				continue
			}
			fmt.Fprintln(a.stdout, d)
			differences++
		}
		if differences > 0 {
			return fmt.Errorf("triggers differ from the spec in %d places", differences)
		}
		fmt.Fprintln(a.stdout, "triggers match the spec")
		return nil
	})
}
