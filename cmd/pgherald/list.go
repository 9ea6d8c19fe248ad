package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

type listCmd struct {
	configFlags
	databaseFlags `group:"database"`
}

// Run prints one line for each watched table.
func (c listCmd) Run(a *app) error {
	return c.connect(a.ctx, func(conn *pgx.Conn) error {
		list, err := triggers.List(a.ctx, conn)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TABLE\tSPEC\tVERSION\tAPPLIED\tBY\tCOLLECTION")
		for _, t := range list {
			fmt.Fprintln(w, watchedRow(t))
		}
		return w.Flush()
	})
}

// watchedRow returns the columns of a table. A dash stands for what is not known.
func watchedRow(t triggers.Watched) string {
	version, applied := "-", "-"
	if t.Version > 0 {
		version = fmt.Sprint(t.Version)
	}
	if !t.AppliedAt.IsZero() {
		applied = t.AppliedAt.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", t.Table, orDash(t.Spec), version, applied, orDash(t.AppliedBy), orDash(t.Collection))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
