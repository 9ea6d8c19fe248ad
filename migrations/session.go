package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db/bounds"
)

// lockTimeout bounds every wait for a lock, and patience all waits of Up.
const (
	lockTimeout = "30s"
	patience    = 30 * time.Second
)

// shortWaitSQL bounds the waits of Up for tables in use: while a migration waits behind an open transaction, every later writer
// and reader of the table waits behind the migration.
const shortWaitSQL = `set local lock_timeout = '200ms'`

// maxPause bounds the time between two attempts, in which writers go on.
const maxPause = 500 * time.Millisecond

// pause waits between two attempts, for a random time: transactions of writers may come at regular times.
func pause(ctx context.Context) error {
	timer := time.NewTimer(maxPause/5 + rand.N(maxPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isLocked reports whether a statement has waited too long for a lock.
func isLocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03"
}

// settingsSQL begins each transaction. Settings of the session would not be enough, and would leak: a pooler
// may give the session to another program.
const settingsSQL = `
set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '` + lockTimeout + `';
set local standard_conforming_strings = on;
set local check_function_bodies = on;
set local default_table_access_method = 'heap';
set local default_tablespace = '';
set local row_security = off;
`

// connect opens a connection whose statements work through any pooler.
func connect(ctx context.Context, databaseURL string) (*pgx.Conn, error) {
	pool, err := pgxpool.ParseConfig(databaseURL) // accepts pool_*, which PostgreSQL refuses
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	config := pool.ConnConfig
	config.DialFunc = bounds.Dial
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = bounds.ConnectTimeout
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["application_name"] = "pgherald migrate"
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return conn, nil
}

// transact runs do in a transaction that excludes every other migration, as soon as there is a table to lock. No
// other role can hold this lock, since it has no right on the table.
func transact(ctx context.Context, databaseURL string, do func(pgx.Tx) error) error {
	return inTransaction(ctx, databaseURL, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if err := checkForeign(ctx, tx, true); err != nil {
			return err
		}
		if ok, err := exists(ctx, tx, "pgherald.migrations"); err != nil {
			return err
		} else if ok {
			if _, err := tx.Exec(ctx, `lock table pgherald.migrations in share row exclusive mode`); err != nil {
				return asConflict(fmt.Errorf("lock pgherald.migrations: %w", err))
			}
		}
		return do(tx)
	})
}

// readOnly runs do in a transaction that changes nothing.
func readOnly(ctx context.Context, databaseURL string, do func(pgx.Tx) error) error {
	return inTransaction(ctx, databaseURL, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, do)
}

func inTransaction(ctx context.Context, databaseURL string, options pgx.TxOptions, do func(pgx.Tx) error) error {
	conn, err := connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, bounds.TransactionSQL+";"+settingsSQL); err != nil {
			return fmt.Errorf("prepare the transaction: %w", err)
		}
		return do(tx)
	})
}
