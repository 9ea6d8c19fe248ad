package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// readOnly runs do in a read-only transaction.
func readOnly(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, readTimeouts); err != nil {
		return fmt.Errorf("set timeouts: %w", err)
	}
	return do(tx)
}

// readTimeouts bounds a read-only transaction. Validating an expression locks its tables as a SELECT does.
const readTimeouts = `set local lock_timeout = '100ms'; set local statement_timeout = '10s'`

// localSettings gives the transaction the settings of the trigger functions.
func localSettings(ctx context.Context, tx pgx.Tx) error {
	for _, s := range settings() {
		if _, err := tx.Exec(ctx, "set local "+s.name+" = "+s.value); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}
