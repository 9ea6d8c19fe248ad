package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// triggersCmd is the family of commands for the triggers of watched tables.
type triggersCmd struct {
	Show  triggersShowCmd  `cmd:"" help:"Print the SQL that apply would run."`
	Apply triggersApplyCmd `cmd:"" help:"Install the triggers, and remove those of tables that are no longer watched."`
	Drop  triggersDropCmd  `cmd:"" help:"Remove all triggers. The event log stays."`
	Check triggersCheckCmd `cmd:"" help:"Say what differs from the spec; exit 1 if anything does."`
}

type watchFlags struct {
	databaseFlags
	specFlags
}

// withSpec runs do with the spec, on one connection.
func (f watchFlags) withSpec(a *app, do func(*pgx.Conn, triggers.Spec) error) error {
	spec, _, err := f.load()
	if err != nil {
		return err
	}
	return f.with(a.ctx, func(conn *pgx.Conn) error { return do(conn, spec) })
}

type triggersShowCmd struct{ watchFlags }

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

type triggersApplyCmd struct{ watchFlags }

func (c triggersApplyCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		changes, err := triggers.Apply(a.ctx, conn, spec)
		if err != nil {
			return err
		}
		for _, change := range changes {
			fmt.Fprintln(a.stdout, change)
		}
		if len(changes) == 0 {
			fmt.Fprintln(a.stdout, "triggers were as the spec says already")
		}
		return nil
	})
}

type triggersDropCmd struct{ databaseFlags }

func (c triggersDropCmd) Run(a *app) error {
	return c.with(a.ctx, func(conn *pgx.Conn) error {
		changes, err := triggers.Drop(a.ctx, conn)
		for _, change := range changes {
			fmt.Fprintln(a.stdout, change)
		}
		return err
	})
}

type triggersCheckCmd struct{ watchFlags }

func (c triggersCheckCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error { return checkTriggers(a, conn, spec) })
}

// checkTriggers prints what differs, and returns an error if anything does.
func checkTriggers(a *app, conn *pgx.Conn, spec triggers.Spec) error {
	drift, err := triggers.Check(a.ctx, conn, spec)
	if err != nil {
		return err
	}
	for _, d := range drift {
		fmt.Fprintln(a.stdout, d)
	}
	if len(drift) > 0 {
		return fmt.Errorf("triggers differ from the spec in %d places: run pgherald triggers apply", len(drift))
	}
	fmt.Fprintln(a.stdout, "triggers are as the spec says")
	return nil
}
