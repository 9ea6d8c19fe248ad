package migrations

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Script returns the SQL that Up would run, as a script for psql: one transaction. An empty URL means an empty
// database. The script changes nothing that Up would not change, and stores the versions, so that a server with
// --no-migrate starts afterwards.
func Script(ctx context.Context, databaseURL string, sets ...Set) (string, error) {
	if databaseURL == "" {
		return writeScript(sets, make([]current, len(sets)), false)
	}
	var script string
	err := readOnly(ctx, databaseURL, func(tx pgx.Tx) error {
		states := make([]current, len(sets))
		for i, s := range sets {
			state, err := s.read(ctx, tx)
			if err != nil {
				return fmt.Errorf("read the version of set %s: %w", s.Name, err)
			}
			if err := s.checkState(state); err != nil {
				return err
			}
			if _, err := s.checkNewer(state); err != nil {
				return err
			}
			states[i] = state
		}
		hasSchema, err := isTrue(ctx, tx, `select pg_catalog.to_regnamespace('pgherald') is not null`)
		if err != nil {
			return err
		}
		script, err = writeScript(sets, states, hasSchema)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("write the script: %w", err)
	}
	return script, nil
}

const scriptHead = `-- What pgherald migrate up would run. Run it with psql, as the role that shall own the tables:
--     pgherald migrate show | psql postgres://…
\set ON_ERROR_STOP on
begin;
%s
`

func writeScript(sets []Set, states []current, hasSchema bool) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, scriptHead, strings.TrimSpace(settingsSQL))
	hasTable := false
	for _, state := range states {
		hasTable = hasTable || state.row != nil && !state.isOld
	}
	if !hasSchema {
		b.WriteString(createSchemaSQL)
	}
	if !hasTable {
		b.WriteString("\n" + strings.Replace(createTableSQL, "create table", "create table if not exists", 1))
	}
	for i, s := range sets {
		if err := s.writeScript(&b, states[i]); err != nil {
			return "", err
		}
	}
	b.WriteString("\ncommit;\n")
	return b.String(), nil
}

// writeScript writes the part of one set.
func (s Set) writeScript(b *strings.Builder, state current) error {
	version := uint(0)
	if state.row != nil {
		version = state.row.version
	}
	if newer, err := s.checkNewer(state); newer || err != nil {
		fmt.Fprintf(b, "\n-- %s: version %d of a newer pgherald, with which this one works. Nothing to do.\n", s.Name, version)
		return err
	}
	if state.isOld {
		fmt.Fprintf(b, "\n-- %s: the version was stored elsewhere.\n"+storeSQL, s.Name, "'"+s.Name+"'", version, 0)
	}
	for _, t := range state.old {
		if t.trusted {
			fmt.Fprintf(b, "drop table %s;\n", t.name)
		}
	}
	files, err := s.upFiles()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.version <= version {
			continue
		}
		text, err := fs.ReadFile(s.Files(), f.name)
		if err != nil {
			return fmt.Errorf("read a migration: %w", err)
		}
		fmt.Fprintf(b, "\n-- ==== %s, version %d ====\n\n", s.Name, f.version)
		b.WriteString(strings.Replace(string(text), createSchemaSQL, "", 1))
		lowest, err := s.compatibleFrom(f.version)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n"+addColumnSQL+storeSQL, "'"+s.Name+"'", f.version, lowest)
	}
	after, err := s.after()
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n-- ==== %s, after the migrations ====\n\n%s", s.Name, after)
	return nil
}
