package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// planCmd prints what apply would do.
type planCmd struct {
	watchFlags
	replaceFlags
	All bool `help:"Print the SQL of everything that the spec wants, whatever is installed, as a script for psql. Exit code 0."`
}

// Run prints the SQL. It returns exitChanges if there is something to do.
func (c planCmd) Run(a *app) error {
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		var notes []triggers.Note
		generate, options := triggers.Difference, append(c.replaceOptions(), triggers.Notes(&notes))
		if c.All {
			generate = triggers.SQL
		}
		sql, err := generate(a.ctx, conn, spec, options...)
		if err != nil {
			return err
		}
		printNotes(a, notes)
		printAdvice(a, conn, spec)
		if sql == "" {
			fmt.Fprintln(a.stderr, "triggers match the spec: nothing to change")
			return nil
		}
		if _, err := fmt.Fprint(a.stdout, sql); err != nil || c.All {
			return err
		}
		return exitChanges
	})
}

// printAdvice names the filter fields of large tables that have no index. A role that may not look gets a plan all the same.
func printAdvice(a *app, conn *pgx.Conn, spec triggers.Spec) {
	advice, _ := triggers.Advise(a.ctx, conn, spec)
	for _, one := range advice {
		fmt.Fprintf(a.stderr, "note: %s: %s\n", one, one.Remedy())
	}
}
