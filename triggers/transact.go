package triggers

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// lockNotAvailable is the SQLSTATE of a lock_timeout.
	lockNotAvailable = "55P03"
	// deadlockDetected is the SQLSTATE of a deadlock, with a writer that locks tables in another order.
	deadlockDetected = "40P01"
	// applyLock is the advisory lock under which triggers are changed: "pgherald" as a number.
	applyLock int64 = 0x70676865_72616c64
)

// transact runs do in a transaction in which nobody else applies or drops triggers.
func transact(ctx context.Context, conn *pgx.Conn, opts []Option, do func(pgx.Tx) error) error {
	o := options{lockTimeout: 5 * time.Second}
	for _, opt := range opts {
		opt(&o)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After a commit this does nothing; after an error the connection is lost or clean again.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := prepare(ctx, tx, o); err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// prepare sets the transaction up and waits for others like it. What is read afterwards includes
// what they did.
func prepare(ctx context.Context, tx pgx.Tx, o options) error {
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	limit := strconv.FormatInt(max(o.lockTimeout.Milliseconds(), 1), 10)
	if _, err := tx.Exec(ctx, `select set_config('lock_timeout', $1, true)`, limit); err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
	}
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, applyLock)
	if isCode(err, lockNotAvailable) {
		return fmt.Errorf("wait for another process that is changing triggers: %w", err)
	}
	if err != nil {
		return fmt.Errorf("lock out others that change triggers: %w", err)
	}
	return nil
}

// readOnly runs do in a transaction that cannot change anything.
func readOnly(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	return do(tx)
}

// localSettings has the transaction see what the triggers will see.
func localSettings(ctx context.Context, tx pgx.Tx) error {
	for _, s := range settings() {
		if _, err := tx.Exec(ctx, "set local "+s.name+" = "+s.value); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}
