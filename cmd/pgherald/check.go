package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

type checkCmd struct{ watchFlags }

// Run prints each difference and warning, and returns an error if there is a difference.
func (c checkCmd) Run(a *app) error {
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
func (c checkCmd) differs(n int, missing bool) error {
	places := "places"
	if n == 1 {
		places = "place"
	}
	err := fmt.Errorf("triggers differ from the spec in %d %s", n, places)
	if missing && c.watch().IsExample() {
		err = fmt.Errorf("%w\n%s", err, forgottenSpec)
	}
	return err
}
