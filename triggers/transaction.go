package triggers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/bounds"
)

// lockSQL serializes changes of triggers. Only a role with rights on the table can hold this lock. The mode leaves
// the rows free, which servers lock.
const (
	lockSQL  = `lock table pgherald.locks in share update exclusive mode`
	lockMode = "ShareUpdateExclusiveLock"
)

// transact runs do in a transaction that excludes every other Apply and Drop. It waits for those, but not
// longer than left and queueWait.
func transact(ctx context.Context, conn *pgx.Conn, left time.Duration, do func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	// Does nothing after a commit. After an error, the connection is usable again or lost.
	defer bounds.Rollback(ctx, tx)
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	if err := queue(ctx, tx, min(left, queueWait)); err != nil {
		return err
	}
	if err := setTimeout(ctx, tx, "lock_timeout", min(left, lockWait)); err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit the transaction: %w", err)
	}
	return nil
}

// queue takes the lock for changing triggers. Later reads see the changes of its previous holder.
func queue(ctx context.Context, tx pgx.Tx, limit time.Duration) error {
	if err := setTimeout(ctx, tx, "lock_timeout", limit); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, lockSQL)
	switch {
	case isBusy(err):
		return &BusyError{queued: true, err: err}
	case isCode(err, invalidSchema):
		return errNoLog
	case isCode(err, undefinedTable):
		return errOldEngine
	case err != nil:
		return fmt.Errorf("take the lock for changing triggers: %w", err)
	}
	return nil
}

// setTimeout sets a timeout of PostgreSQL for the rest of the transaction. It has a resolution of 1 ms.
func setTimeout(ctx context.Context, tx pgx.Tx, name string, limit time.Duration) error {
	text := strconv.FormatInt(max(limit.Milliseconds(), 1), 10)
	if _, err := tx.Exec(ctx, `select set_config($1, $2, true)`, name, text); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// readOnly runs do in a read-only transaction.
func readOnly(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	return abandon(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, do)
}

// rolledBack runs do in a transaction that may write, and rolls it back.
func rolledBack(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	return abandon(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, do)
}

// abandon runs do in a transaction with the settings of the trigger functions, and rolls it back.
func abandon(ctx context.Context, conn *pgx.Conn, opts pgx.TxOptions, do func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	defer bounds.Rollback(ctx, tx)
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, readTimeouts); err != nil {
		return fmt.Errorf("set timeouts: %w", err)
	}
	return do(tx)
}

// readTimeouts bounds a transaction that changes nothing. Validating an expression locks its tables as a SELECT does.
const readTimeouts = `set local lock_timeout = '100ms'; set local statement_timeout = '10s'`

// localSettings gives the transaction the settings of the trigger functions, and the bounds on what it may hold once its
// client has gone: a frozen one would keep the watched tables locked.
func localSettings(ctx context.Context, tx pgx.Tx) error {
	var sql strings.Builder
	for _, s := range allSettings() {
		fmt.Fprintf(&sql, "set local %s = %s; ", s.name, s.value)
	}
	// The estimates of recursive queries over the catalog are so high that PostgreSQL would compile them, for a second.
	sql.WriteString("set local jit = off;")
	// The connected role may not see rows that the owner of the functions sees: see hiddenInExpressions.
	sql.WriteString("set local row_security = on;")
	sql.WriteString(bounds.TransactionSQL)
	if _, err := tx.Exec(ctx, sql.String()); err != nil {
		return fmt.Errorf("set the parameters of the trigger functions: %w", err)
	}
	return nil
}
