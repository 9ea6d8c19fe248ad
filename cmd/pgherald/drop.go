package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

type dropCmd struct {
	watchFlags
	Name      string `placeholder:"NAME" help:"Remove the triggers of the spec with this name; its file is not needed."`
	All       bool   `help:"Remove the triggers of all specs."`
	lockFlags `group:"database"`
}

// Run removes the triggers and prints what changed.
func (c dropCmd) Run(a *app) error {
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
func (c dropCmd) nothing(a *app, conn *pgx.Conn, spec triggers.Spec) error {
	list, err := triggers.List(a.ctx, conn)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "no triggers are installed: nothing to remove")
		return nil
	}
	return fmt.Errorf("remove the triggers of spec %s: it has none here; pgherald list shows whose there are, --spec, --name and --all choose others", spec.Name)
}
