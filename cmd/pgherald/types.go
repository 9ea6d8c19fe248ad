package main

import (
	"errors"
	"fmt"
	"go/token"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/triggers"
	"github.com/pgherald/pgherald/triggers/typegen"
)

// typesCmd prints types for programs that read collections.
type typesCmd struct {
	watchFlags
	Lang    string `enum:"ts,go,jsonschema" default:"ts" help:"Language: ${enum} (default ${default})."`
	Package string `default:"collections" placeholder:"NAME" help:"Package of the Go file (default ${default})."`
}

// Run prints the types of the spec's collections. They need not be installed.
func (c typesCmd) Run(a *app) error {
	if !token.IsIdentifier(c.Package) {
		return fmt.Errorf("--package=%s: name a package of Go, such as collections", c.Package)
	}
	return c.withSpec(a, func(conn *pgx.Conn, spec triggers.Spec) error {
		var notes []triggers.Note
		sources, err := triggers.Describe(a.ctx, conn, spec, triggers.Notes(&notes))
		if err != nil {
			return err
		}
		printNotes(a, notes)
		if len(sources) == 0 {
			return errors.New("find the collections of the spec: it has none; choose tables that have a key, with --tables, or with `collection: NAME` in the spec")
		}
		text, err := c.generate(sources)
		if err == nil {
			_, err = a.stdout.Write(text)
		}
		return err
	})
}

func (c typesCmd) generate(sources []triggers.Source) ([]byte, error) {
	switch c.Lang {
	case "go":
		return typegen.Go(c.Package, sources)
	case "jsonschema":
		return typegen.JSONSchema(sources)
	}
	return typegen.TypeScript(sources), nil
}
