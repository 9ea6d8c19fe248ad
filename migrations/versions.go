package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// stored is a row of pgherald.migrations.
type stored struct {
	set     string
	version uint
	// compatibleFrom is the lowest version of a program that may use the tables; 0 for a row of an older pgherald.
	compatibleFrom uint
	dirty          bool // only in a row that came from an older pgherald, which could stop half-way
}

// createTableSQL creates the table of versions. `migrate show` prints it.
const createTableSQL = `create table pgherald.migrations (
    set_name text primary key,
    version bigint not null,
    dirty boolean not null default false,
    compatible_from bigint
);

comment on table pgherald.migrations is 'The version of each set of tables. Only pgherald migrate writes here.';
`

// createSchemaSQL is how the engine's first file begins. Where a DBA created the schema, for a role that may not
// do so, the statement is left out: IF NOT EXISTS would still need the right.
const createSchemaSQL = "create schema pgherald;\n"

// addColumnSQL completes the table of an older pgherald.
const addColumnSQL = `alter table pgherald.migrations add column if not exists compatible_from bigint;
`

// storeSQL stores the version of a set, and the lowest one of a program that may use it.
const storeSQL = `insert into pgherald.migrations (set_name, version, compatible_from) values (%s, %d, nullif(%d, 0))
on conflict (set_name) do update set version = excluded.version, compatible_from = excluded.compatible_from, dirty = false;
`

// compatibleSQL reads the column also where an older pgherald made the table m without it.
const compatibleSQL = `coalesce((to_jsonb(m) ->> 'compatible_from')::bigint, 0)`

func withoutExistingSchema(ctx context.Context, tx pgx.Tx, sql string) (string, error) {
	if !strings.Contains(sql, createSchemaSQL) {
		return sql, nil
	}
	exists, err := isTrue(ctx, tx, `select pg_catalog.to_regnamespace('pgherald') is not null`)
	if err != nil || !exists {
		return sql, err
	}
	return strings.Replace(sql, createSchemaSQL, "", 1), nil
}

func isTrue(ctx context.Context, tx pgx.Tx, sql string, args ...any) (yes bool, err error) {
	err = tx.QueryRow(ctx, sql, args...).Scan(&yes)
	return yes, err
}

// exists reports whether a relation exists. The name must be qualified.
func exists(ctx context.Context, tx pgx.Tx, relation string) (bool, error) {
	// to_regclass alone would see what another process commits after the transaction's snapshot.
	return isTrue(ctx, tx, `select exists (select from pg_catalog.pg_class as c where c.oid operator(pg_catalog.=) pg_catalog.to_regclass($1))`, relation)
}

// readStored returns the row of a set, or nil if there is none. A row of a set whose tables are gone does not
// count: a DBA dropped the schema public, for example.
func readStored(ctx context.Context, tx pgx.Tx, s Set) (*stored, error) {
	for _, relation := range []string{"pgherald.migrations", s.probe} {
		if ok, err := exists(ctx, tx, relation); err != nil || !ok {
			return nil, err
		}
	}
	row := stored{set: s.Name}
	const sql = `select m.version, m.dirty, ` + compatibleSQL + ` from pgherald.migrations as m where m.set_name = $1`
	err := tx.QueryRow(ctx, sql, s.Name).Scan(&row.version, &row.dirty, &row.compatibleFrom)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pgherald.migrations: %w", err)
	}
	return &row, nil
}

// readOthers returns the rows of the other sets.
func readOthers(ctx context.Context, tx pgx.Tx, s Set) ([]stored, error) {
	if ok, err := exists(ctx, tx, "pgherald.migrations"); err != nil || !ok {
		return nil, err
	}
	rows, err := tx.Query(ctx, `select m.set_name, m.version, m.dirty, `+compatibleSQL+` from pgherald.migrations as m where m.set_name <> $1`, s.Name)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o stored, err error) {
		err = row.Scan(&o.set, &o.version, &o.dirty, &o.compatibleFrom)
		return o, err
	})
}

// createTable creates the table of versions and its schema if they are missing.
func createTable(ctx context.Context, tx pgx.Tx) error {
	present, err := isTrue(ctx, tx, `select pg_catalog.to_regnamespace('pgherald') is not null`)
	if err == nil && !present {
		_, err = tx.Exec(ctx, createSchemaSQL)
	}
	if err != nil {
		return asConflict(fmt.Errorf("create the schema pgherald: %w", err))
	}
	if present, err = exists(ctx, tx, "pgherald.migrations"); err == nil && !present {
		_, err = tx.Exec(ctx, createTableSQL)
	}
	if err == nil && present {
		err = addColumn(ctx, tx)
	}
	if err != nil {
		return asConflict(fmt.Errorf("create the table pgherald.migrations: %w", err))
	}
	return nil
}

// addColumn adds the column that an older pgherald did not make. It locks the table only if it must.
func addColumn(ctx context.Context, tx pgx.Tx) error {
	present, err := isTrue(ctx, tx, `
		select exists (
			select from pg_catalog.pg_attribute as a
			where
				a.attrelid = pg_catalog.to_regclass('pgherald.migrations')
				and a.attname = 'compatible_from'
				and not a.attisdropped
		)`)
	if err == nil && !present {
		_, err = tx.Exec(ctx, addColumnSQL)
	}
	return err
}

// store writes a row, and creates the table first if it is missing.
func store(ctx context.Context, tx pgx.Tx, row stored) error {
	if err := createTable(ctx, tx); err != nil {
		return err
	}
	const sql = `
		insert into pgherald.migrations (set_name, version, dirty, compatible_from) values ($1, $2, $3, nullif($4, 0))
		on conflict (set_name) do update
		set version = excluded.version, dirty = excluded.dirty, compatible_from = excluded.compatible_from`
	if _, err := tx.Exec(ctx, sql, row.set, row.version, row.dirty, row.compatibleFrom); err != nil {
		return fmt.Errorf("write to pgherald.migrations: %w", err)
	}
	return nil
}

// forget removes the row of a set whose tables were removed. The last set takes the schema with it. The engine's
// first file drops the schema: forget makes it again if others have tables left.
func forget(ctx context.Context, tx pgx.Tx, s Set, others []stored) error {
	hasTable, err := exists(ctx, tx, "pgherald.migrations")
	if err != nil {
		return err
	}
	if hasTable {
		if _, err := tx.Exec(ctx, `delete from pgherald.migrations where set_name = $1`, s.Name); err != nil {
			return fmt.Errorf("write to pgherald.migrations: %w", err)
		}
		return dropEmptySchema(ctx, tx)
	}
	for _, other := range others {
		if err := store(ctx, tx, other); err != nil {
			return err
		}
	}
	return nil
}

// dropEmptySchema drops the schema pgherald if it holds nothing but an empty table of versions.
func dropEmptySchema(ctx context.Context, tx pgx.Tx) error {
	needed, err := isTrue(ctx, tx, `
		select pg_catalog.to_regclass('pgherald.events') is not null or exists (select from pgherald.migrations)`)
	if err != nil || needed {
		return err
	}
	if _, err := tx.Exec(ctx, `drop table pgherald.migrations; drop schema pgherald`); err != nil {
		return fmt.Errorf("drop the schema pgherald: %w", err)
	}
	return nil
}
