package main

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// migrateCmd is the family of commands for pgherald's tables.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Create the tables, or bring them up to date."`
	Down   migrateDownCmd   `cmd:"" help:"Remove the tables, what is in them, and all triggers."`
	Status migrateStatusCmd `cmd:"" help:"Say which version the tables have."`
	Repair migrateRepairCmd `cmd:"" help:"Say which version the tables have, after a migration that stopped half-way."`
}

// setFlags say which tables.
type setFlags struct {
	databaseFlags
	EngineOnly bool `env:"PGHERALD_ENGINE_ONLY" help:"Only the event log, for those who watch tables of their own."`
}

func (f setFlags) sets() []migrations.Set {
	if f.EngineOnly {
		return []migrations.Set{migrations.Engine()}
	}
	return []migrations.Set{migrations.Engine(), migrations.Workload()}
}

type migrateUpCmd struct{ setFlags }

func (c migrateUpCmd) Run(a *app) error {
	// The connection comes first: it tells what is wrong with a server that is not fit for use.
	if err := c.with(a.ctx, func(*pgx.Conn) error { return nil }); err != nil {
		return err
	}
	if err := migrations.Up(a.ctx, c.DatabaseURL, c.sets()...); err != nil {
		return err
	}
	return migrateStatusCmd(c).Run(a)
}

type migrateDownCmd struct {
	setFlags
	Yes bool `help:"Really remove the tables and all that is in them."`
}

func (c migrateDownCmd) Run(a *app) error {
	if !c.Yes {
		return fmt.Errorf("migrate down removes tables and all that is in them: say --yes if you mean it")
	}
	err := c.with(a.ctx, func(conn *pgx.Conn) error {
		_, err := triggers.Drop(a.ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	if err := migrations.Down(a.ctx, c.DatabaseURL, c.sets()...); err != nil {
		return err
	}
	return migrateStatusCmd{setFlags: c.setFlags}.Run(a)
}

type migrateStatusCmd struct{ setFlags }

func (c migrateStatusCmd) Run(a *app) error {
	statuses, err := migrations.StatusOf(a.ctx, c.DatabaseURL, c.sets()...)
	if err != nil {
		return err
	}
	for _, s := range statuses {
		fmt.Fprintf(a.stdout, "%-9s version %d of %d%s\n", s.Set, s.Version, s.Latest, remark(s))
	}
	return nil
}

func remark(s migrations.Status) string {
	switch {
	case s.Dirty:
		return fmt.Sprintf(": stopped half-way in version %d; look at what is there, then say pgherald migrate repair", s.Version)
	case s.Version > s.Latest:
		return ": made by a newer pgherald than this one"
	case s.Version < s.Latest:
		return ": run pgherald migrate up"
	}
	return ""
}

type migrateRepairCmd struct {
	databaseFlags
	Set     string `arg:"" enum:"engine,workload" help:"Which tables: engine or workload."`
	Version uint   `arg:"" help:"The version that they have now, 0 for none."`
}

func (c migrateRepairCmd) Run(a *app) error {
	set := migrations.Engine()
	if c.Set == "workload" {
		set = migrations.Workload()
	}
	if err := migrations.Repair(a.ctx, c.DatabaseURL, set, c.Version); err != nil {
		return err
	}
	return migrateStatusCmd{setFlags{databaseFlags: c.databaseFlags}}.Run(a)
}
