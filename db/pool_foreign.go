package db

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// foreignOptions returns the options of a transaction in which code of others may run.
func foreignOptions() pgx.TxOptions {
	return pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
}

// BeginForeign begins a REPEATABLE READ, READ ONLY transaction in which code of others may run. Its end, by Commit or by
// Rollback, leaves nothing of that code in the session: it rolls back the settings, and releases the advisory locks,
// unless a pooler shares the session with programs that may have locks there.
func (p *Pool) BeginForeign(ctx context.Context) (pgx.Tx, error) {
	tx, err := p.begin(ctx, foreignOptions(), endForeign)
	if err != nil {
		return nil, err
	}
	return foreignTx{tx}, nil
}

// ReadForeign runs the statements that add gives in a transaction as that of BeginForeign, and read takes their results,
// in their order. All of it is one round trip.
//
// PostgreSQL parses each statement after the ones before it have run, so names are looked up with the settings of the
// transaction. That would not hold for statements that pgx describes first: a pgx.Batch is none of this.
func (p *Pool) ReadForeign(ctx context.Context, add func(*pgconn.Batch), read func(*pgconn.MultiResultReader) error) error {
	conn, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes a connection that is in a transaction
	ctx, done := outlast(ctx, p.abandoned)
	defer done()
	begin := strings.Split(beginSQL(foreignOptions())+p.settings+localBounds(conn.Conn()), "; ")
	end := endForeign(conn.Conn())
	var batch pgconn.Batch
	addPlain(&batch, begin)
	add(&batch)
	addPlain(&batch, strings.Split(end, "; "))

	results := conn.Conn().PgConn().ExecBatch(ctx, &batch)
	err = skipResults(results, len(begin))
	if err == nil {
		err = read(results)
	}
	failed := results.Close() // an error of PostgreSQL, which has skipped the end
	if failed != nil {
		if _, err := conn.Exec(ctx, end, pgx.QueryExecModeSimpleProtocol); err != nil {
			_ = conn.Conn().Close(ctx)
		}
	}
	if err == nil {
		err = failed
	}
	return err
}

// addPlain adds statements without parameters.
func addPlain(batch *pgconn.Batch, statements []string) {
	for _, sql := range statements {
		batch.ExecParams(sql, nil, nil, nil, nil)
	}
}

// skipResults passes over the results of n statements.
func skipResults(results *pgconn.MultiResultReader, n int) error {
	for range n {
		if !results.NextResult() {
			return errors.Join(results.Close(), errors.New("a statement has no result"))
		}
		if _, err := results.ResultReader().Close(); err != nil {
			return err
		}
	}
	return nil
}

// endForeign returns the statements that end a transaction in which code of others ran.
func endForeign(conn *pgx.Conn) string {
	if isShared(conn) {
		return "rollback"
	}
	return "rollback; select pg_catalog.pg_advisory_unlock_all()"
}

// foreignTx ends a transaction in the same way, however it ends.
type foreignTx struct{ *pooledTx }

// Commit ends the transaction.
func (t foreignTx) Commit(ctx context.Context) error { return t.Rollback(ctx) }

// Rollback ends the transaction. It closes the connection if that fails.
func (t foreignTx) Rollback(ctx context.Context) error {
	err := t.pooledTx.Commit(ctx)
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return nil
	}
	return err
}
