package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// oldTable is a table in which an older pgherald stored the version of a set. It lies in the schema that
// search_path named, so there may be several.
type oldTable struct {
	name    string // quoted, with its schema
	owner   string
	trusted bool // an ordinary table of ours, that runs no code of others
	row     *stored
}

const oldTablesSQL = `
select
    pg_catalog.format('%I.%I', s.nspname, c.relname),
    r.rolname::pg_catalog.text,
    c.relkind = 'r' and not c.relhasrules and not c.relrowsecurity
    and not exists (select from pg_catalog.pg_trigger as t where t.tgrelid = c.oid)
    and ` + trustedSQL + `
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
join pg_catalog.pg_roles as r on r.oid = c.relowner
where
    c.relname = $1
    and c.relkind not in ('i', 'I', 'c')
    and c.relpersistence <> 't'
order by 1`

// findOldTables returns the tables of older versions for a set.
func findOldTables(ctx context.Context, tx pgx.Tx, s Set) ([]oldTable, error) {
	rows, err := tx.Query(ctx, oldTablesSQL, s.oldTable)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t oldTable, err error) {
		err = row.Scan(&t.name, &t.owner, &t.trusted)
		return t, err
	})
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		if t.trusted {
			if tables[i].row, err = readOld(ctx, tx, s, t.name); err != nil {
				return nil, fmt.Errorf("read the old table %s: %w", t.name, err)
			}
		}
	}
	return tables, nil
}

func readOld(ctx context.Context, tx pgx.Tx, s Set, table string) (*stored, error) {
	rows, err := tx.Query(ctx, `select version, dirty from `+table)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o stored, err error) {
		o.set = s.Name
		err = row.Scan(&o.version, &o.dirty)
		return o, err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// current holds what a database says about a set.
type current struct {
	row     *stored // nil: not installed, or unknown
	unknown bool    // the tables exist, and no table says in which version
	old     []oldTable
	isOld   bool // row comes from an old table
}

// read returns what the database says about a set. It changes nothing.
func (s Set) read(ctx context.Context, tx pgx.Tx) (c current, err error) {
	// First of all: a process that migrates at the same time commits the tables together with their version.
	installed, err := exists(ctx, tx, s.probe)
	if err != nil {
		return c, err
	}
	if c.row, err = readStored(ctx, tx, s); err != nil {
		return c, err
	}
	if c.old, err = findOldTables(ctx, tx, s); err != nil || c.row != nil || !installed {
		return c, err
	}
	var foreign *oldTable
	for i, t := range c.old {
		switch {
		case !t.trusted:
			foreign = &c.old[i]
		case t.row != nil && (c.row == nil || t.row.version > c.row.version):
			// A table that a changed search_path led to has no row, or an older one.
			c.row, c.isOld = t.row, true
		}
	}
	if c.row == nil && foreign != nil {
		return c, fmt.Errorf("table %s belongs to %s or runs code of others, so the version in it is not trusted: drop it, "+
			"then run pgherald migrate repair %s with the version of the tables", foreign.name, foreign.owner, s.Name)
	}
	c.unknown = c.row == nil
	return c, nil
}

// adopt moves the version from an old table to pgherald.migrations, and drops the old tables.
func (s Set) adopt(ctx context.Context, tx pgx.Tx) error {
	c, err := s.read(ctx, tx)
	if err != nil {
		return err
	}
	if c.isOld {
		if err := store(ctx, tx, *c.row); err != nil {
			return err
		}
	}
	for _, t := range c.old {
		if !t.trusted {
			continue // of another role, and nothing needs it
		}
		if _, err := tx.Exec(ctx, "drop table "+t.name); err != nil {
			return fmt.Errorf("drop the old table %s: %w", t.name, err)
		}
	}
	return nil
}
