package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// roleInUseSQL reports whether the role of the trigger functions may append events in this database.
const roleInUseSQL = `
select coalesce((
    select pg_catalog.has_column_privilege(r.oid, pg_catalog.to_regclass('pgherald.events')::pg_catalog.oid, 'data', 'insert')
    from pg_catalog.pg_roles as r
    where r.rolname = '` + writerRole + `' and not r.rolsuper
), false)`

// RoleAdvice returns the SQL with which a superuser completes the migrations: it creates the role of the trigger
// functions. It is empty if the role is in use, or if there is no log.
func RoleAdvice(ctx context.Context, databaseURL string) (advice string, err error) {
	err = readOnly(ctx, databaseURL, func(tx pgx.Tx) error {
		hasLog, err := exists(ctx, tx, "pgherald.events")
		if err != nil || !hasLog {
			return err
		}
		inUse, err := isTrue(ctx, tx, roleInUseSQL)
		if err != nil || inUse {
			return err
		}
		present, err := isTrue(ctx, tx, `select exists (select from pg_catalog.pg_roles where rolname = $1)`, writerRole)
		if err != nil {
			return err
		}
		var owner string
		const ownerSQL = `select pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(nspowner)) from pg_catalog.pg_namespace where nspname = 'pgherald'`
		if err := tx.QueryRow(ctx, ownerSQL).Scan(&owner); err != nil {
			return err
		}
		if !present {
			advice = "create role " + writerRole + " nologin bypassrls; "
		}
		advice += "grant " + writerRole + " to " + owner
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look up the role %s: %w", writerRole, err)
	}
	return advice, nil
}

// dropOwned removes what the role of the trigger functions has in this database, before the engine goes: rights
// on joined tables. Its functions go with the schema.
func (s Set) dropOwned(ctx context.Context, tx pgx.Tx) error {
	if s.Name != Engine().Name {
		return nil
	}
	inUse, err := isTrue(ctx, tx, roleInUseSQL)
	if err != nil || !inUse {
		return err
	}
	if _, err := tx.Exec(ctx, `reassign owned by `+writerRole+` to current_user; drop owned by `+writerRole); err != nil {
		return fmt.Errorf("revoke the rights of %s: %w", writerRole, err)
	}
	return nil
}

// DropRole drops the role of the trigger functions, with the memberships in it, unless this database still has a
// log. It reports whether the role remains: another database of the cluster needs it, or the connected role may
// not drop it.
func DropRole(ctx context.Context, databaseURL string) (remains bool, err error) {
	err = inTransaction(ctx, databaseURL, pgx.TxOptions{}, func(tx pgx.Tx) error {
		hasLog, err := exists(ctx, tx, "pgherald.events")
		if err != nil || hasLog {
			return err
		}
		present, err := isTrue(ctx, tx, `select exists (select from pg_catalog.pg_roles where rolname = $1)`, writerRole)
		if err != nil || !present {
			return err
		}
		_, err = tx.Exec(ctx, "drop role "+writerRole)
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "2BP01" || pg.Code == "42501") { // dependent objects, insufficient privilege
		return true, nil
	}
	return false, err
}

// CheckOwners returns an error if the schema pgherald belongs to a role, or has objects of one, whose code must not run
// with the rights of the connected role. Call it before changes of triggers, which write to tables of the schema.
func CheckOwners(ctx context.Context, databaseURL string) error {
	return readOnly(ctx, databaseURL, func(tx pgx.Tx) error { return checkForeign(ctx, tx, false) })
}
