package db

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/bounds"
)

// The names of the locks in pgherald.locks that this package's users take. Only roles with rights on that table can
// hold them. (The locks of package notify are advisory ones, which every role can hold.)
const (
	PresenceLock = "presence"
	PruneLock    = "prune"
)

// tryWait bounds every later wait of a transaction that has taken a lock with TryLock.
const tryWait = "10s"

// Lock locks a row of pgherald.locks until the end of the transaction. It waits at most for wait, and sets the
// transaction's lock_timeout to it. PostgreSQL ends the session if the transaction is idle for eight seconds.
func Lock(ctx context.Context, tx pgx.Tx, name string, wait time.Duration) error {
	const row = `select from pgherald.locks as l where l.name = `
	timeout := strconv.FormatInt(max(1, wait.Milliseconds()), 10)
	// Separate statements, since a timeout holds for later ones; without arguments, they take one round trip.
	tag, err := tx.Exec(ctx, `set local idle_in_transaction_session_timeout = '`+bounds.MaxIdle+`'; set local lock_timeout = `+timeout+`; `+
		row+quoteLiteral(name)+` for update`)
	if err != nil {
		return fmt.Errorf("take the lock %s: %w", name, err)
	}
	if tag.RowsAffected() == 0 {
		return missingLock(name)
	}
	return nil
}

// TryLock locks a row of pgherald.locks as Lock does, unless another transaction holds it. Then it returns false.
// Later statements of the transaction wait ten seconds for a lock.
func TryLock(ctx context.Context, tx pgx.Tx, name string) (locked bool, err error) {
	const sql = `select from pgherald.locks as l where l.name = $1 for update skip locked`
	settings := `set local idle_in_transaction_session_timeout = '` + bounds.MaxIdle + `'; set local lock_timeout = '` + tryWait + `'`
	if _, err := tx.Exec(ctx, settings); err != nil {
		return false, fmt.Errorf("take the lock %s: %w", name, err)
	}
	tag, err := tx.Exec(ctx, sql, name)
	if err != nil || tag.RowsAffected() == 1 {
		return err == nil, err
	}
	var exists bool
	err = tx.QueryRow(ctx, `select exists (select from pgherald.locks as l where l.name = $1)`, name).Scan(&exists)
	if err == nil && !exists {
		err = missingLock(name)
	}
	return false, err
}

func missingLock(name string) error {
	return fmt.Errorf("take the lock %s: pgherald.locks has no such row: run insert into pgherald.locks values ('%[1]s')", name)
}

// quoteLiteral quotes one of the names above, for a text with several statements, which takes no arguments.
func quoteLiteral(name string) string { return "'" + name + "'" }
