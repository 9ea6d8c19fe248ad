package db

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// abandonedLimit is how long the statements of a request go on without its client. pgx closes the connection of a statement that is
// cancelled, and a new one takes PostgreSQL longer than most statements: a client that sent requests and left at once would take the
// connections from all others.
const abandonedLimit = 2 * time.Second

// outlast returns a context for a statement on behalf of ctx. It ends with the deadline of ctx, or the given time after ctx was
// cancelled. The caller calls end when the statement has ended.
func outlast(ctx context.Context, limit time.Duration) (lasting context.Context, end func()) {
	lasting, cancel := withoutCancel(ctx)
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			time.AfterFunc(limit, cancel)
		}
	})
	return lasting, func() {
		stop()
		cancel()
	}
}

// withoutCancel returns a context that ends with the deadline of ctx, with the error of a deadline, and otherwise not.
func withoutCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(lasting, deadline)
	}
	return context.WithCancel(lasting)
}

// lasting returns a context for a statement of the transaction, which ends at the latest with the transaction.
func (t *pooledTx) lasting(ctx context.Context) context.Context {
	ctx, end := outlast(ctx, t.abandoned)
	t.ends = append(t.ends, end)
	return ctx
}

// Begin begins a savepoint, whose statements outlast their client as those of the transaction do.
func (t *pooledTx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, end := outlast(ctx, t.abandoned)
	defer end()
	savepoint, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &pooledTx{Tx: savepoint, abandoned: t.abandoned}, nil
}

// Exec runs a statement, unless ctx has ended. One that runs when ctx ends may go on for a while, as those of Begin, Query
// and QueryRow may. Batches and COPY (SendBatch, CopyFrom) end with ctx.
func (t *pooledTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := ctx.Err(); err != nil {
		return pgconn.CommandTag{}, err
	}
	ctx, end := outlast(ctx, t.abandoned)
	defer end()
	return t.Tx.Exec(ctx, sql, args...)
}

// Query runs a query.
func (t *pooledTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.Tx.Query(t.lasting(ctx), sql, args...)
}

// QueryRow runs a query of one row.
func (t *pooledTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := ctx.Err(); err != nil {
		return scanner(func(...any) error { return err })
	}
	return t.Tx.QueryRow(t.lasting(ctx), sql, args...)
}
