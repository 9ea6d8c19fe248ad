package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
)

// initCmd writes the spec that --tables implies.
type initCmd struct {
	configFlags
	DatabaseURL string   `group:"database" secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"The database, whose tables the spec names."`
	Tables      []string `default:"*" env:"PGHERALD_TABLES" placeholder:"NAME" help:"Tables and patterns, as for pgherald serve (default ${default})."`
	Output      string   `short:"o" default:"pgherald.yaml" placeholder:"FILE" help:"File to write (default ${default}), which must not exist; - prints it."`
	Schema      bool     `help:"Print the JSON Schema of specs, for editors, and nothing else."`
}

// Run writes the file, and the schema that it refers to beside it.
func (c initCmd) Run(a *app) error {
	if c.Schema {
		_, err := a.stdout.Write(triggers.Schema())
		return err
	}
	if c.DatabaseURL == "" {
		return errors.New("init reads the tables from the database: set --database-url or DATABASE_URL")
	}
	wanted, err := triggers.Choose(c.Tables)
	if err != nil {
		return fmt.Errorf("read --tables: %w", err)
	}
	var text []byte
	err = databaseFlags{DatabaseURL: c.DatabaseURL}.connect(a.ctx, func(conn *pgx.Conn) error {
		spec, notes, err := triggers.Expand(a.ctx, conn, wanted)
		text = triggers.Render(spec, notes)
		return err
	})
	if err != nil {
		return err
	}
	if c.Output == "-" {
		_, err := a.stdout.Write(text)
		return err
	}
	if err := writeNew(c.Output, text); err != nil {
		return err
	}
	schema := filepath.Join(filepath.Dir(c.Output), triggers.SchemaFile)
	if err := os.WriteFile(schema, triggers.Schema(), 0o644); err != nil {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	fmt.Fprintf(a.stdout, "wrote %s, and %s for editors; next: pgherald serve --spec=%s\n", c.Output, schema, c.Output)
	return nil
}

// writeNew writes a file that does not exist yet: the user may have edited the one that does.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write %s: it exists: remove it first, or choose another name with --output", name)
	}
	if err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
