package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// migrateCmd holds the commands for pgherald's tables.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Create the tables or update them."`
	Down   migrateDownCmd   `cmd:"" help:"Remove the tables with their rows, and all triggers."`
	Status migrateStatusCmd `cmd:"" help:"Print the version of the tables."`
	Show   migrateShowCmd   `cmd:"" help:"Print the SQL that up would run, as a script for psql."`
	Repair migrateRepairCmd `cmd:"" help:"Set the version of the tables after a migration that stopped half-way."`
}

// setFlags name the tables to migrate.
type setFlags struct {
	configFlags
	databaseFlags `group:"database"`
	EngineOnly    bool `group:"database" env:"PGHERALD_ENGINE_ONLY" help:"Only the event log, without the tables of the activities."`
}

func (f setFlags) sets() []migrations.Set {
	if f.EngineOnly {
		return []migrations.Set{migrations.Engine()}
	}
	return []migrations.Set{migrations.Engine(), migrations.Workload()}
}

type migrateUpCmd struct{ setFlags }

// Run creates or updates the tables and prints their version.
func (c migrateUpCmd) Run(a *app) error {
	// Connect first: this error says what is wrong with an unsuitable PostgreSQL.
	if err := c.connect(a.ctx, func(*pgx.Conn) error { return nil }); err != nil {
		return err
	}
	if err := migrations.Up(a.ctx, c.DatabaseURL, c.sets()...); err != nil {
		return err
	}
	advice, err := migrations.RoleAdvice(a.ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	if advice != "" {
		fmt.Fprintf(a.stderr, "the trigger functions will run with the rights of the role that applies them; to give them few rights, "+
			"run as a superuser, then migrate up again: %s\n", advice)
	}
	return migrateStatusCmd(c).Run(a)
}

type migrateDownCmd struct {
	setFlags
	Yes bool `help:"Confirm that the tables and all their rows are to be removed."`
}

// Run removes triggers and tables and prints the version.
func (c migrateDownCmd) Run(a *app) error {
	if !c.Yes {
		return errors.New("migrate down removes tables with all their rows: confirm with --yes")
	}
	if err := migrations.CheckOwners(a.ctx, c.DatabaseURL); err != nil {
		return err
	}
	if err := migrations.CheckDown(a.ctx, c.DatabaseURL, c.sets()...); err != nil {
		return err
	}
	err := c.connect(a.ctx, func(conn *pgx.Conn) error {
		_, err := triggers.DropAll(a.ctx, conn)
		return explainForeignTables(err)
	})
	if err != nil {
		return err
	}
	if err := migrations.Down(a.ctx, c.DatabaseURL, c.sets()...); err != nil {
		return err
	}
	remains, err := migrations.DropRole(a.ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	if remains {
		fmt.Fprintln(a.stderr, "the role pgherald_writer remains: another database of the cluster uses it, or this role may not drop it")
	}
	return migrateStatusCmd{setFlags: c.setFlags}.Run(a)
}

// explainForeignTables adds what to do to the error of a trigger on a table of another role.
func explainForeignTables(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%w: run pgherald drop --all as the owner of the watched tables first", err)
	}
	return err
}

type migrateStatusCmd struct{ setFlags }

// Run prints one line for each set of tables.
func (c migrateStatusCmd) Run(a *app) error {
	statuses, err := migrations.StatusOf(a.ctx, c.DatabaseURL, c.sets()...)
	if err != nil {
		return err
	}
	engine := statuses[0] // the first of sets
	for _, s := range statuses {
		advice := server.MigrationAdvice(s, c.EngineOnly)
		if s.Set != engine.Set && s.IsAbsent() && engine.Current() {
			advice = ": not created; only the example without --spec and --tables needs them (pgherald migrate up)"
		}
		fmt.Fprintf(a.stdout, "%-9s version %d of %d%s\n", s.Set, s.Version, s.Latest, advice)
	}
	return nil
}

type migrateShowCmd struct {
	configFlags
	DatabaseURL string `group:"database" secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"The database, whose version the SQL begins at. Default: an empty database."`
	EngineOnly  bool   `group:"database" env:"PGHERALD_ENGINE_ONLY" help:"Only the event log, without the tables of the activities."`
}

// Run prints the SQL.
func (c migrateShowCmd) Run(a *app) error {
	script, err := migrations.Script(a.ctx, c.DatabaseURL, setFlags{EngineOnly: c.EngineOnly}.sets()...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, script)
	return err
}

type migrateRepairCmd struct {
	configFlags
	databaseFlags `group:"database"`

	Set     string `arg:"" enum:"engine,workload" help:"Tables: engine or workload."`
	Version uint   `arg:"" help:"Version that they have now, 0 for none."`
}

// Run sets the version and prints it.
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
