package db_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
)

// ways are the ways to run a statement.
func ways() map[string]func(context.Context, *db.Pool, string) error {
	inTx := func(begin func(context.Context) (pgx.Tx, error), run func(context.Context, pgx.Tx) error) func(context.Context) error {
		return func(ctx context.Context) error {
			tx, err := begin(ctx)
			if err != nil {
				return err
			}
			return errors.Join(run(ctx, tx), tx.Rollback(ctx))
		}
	}
	var text string
	return map[string]func(context.Context, *db.Pool, string) error{
		"Exec": func(ctx context.Context, p *db.Pool, sql string) error {
			_, err := p.Exec(ctx, sql)
			return err
		},
		"QueryRow": func(ctx context.Context, p *db.Pool, sql string) error { return p.QueryRow(ctx, sql).Scan(&text) },
		"a transaction": func(ctx context.Context, p *db.Pool, sql string) error {
			begin := func(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }
			return inTx(begin, func(ctx context.Context, tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&text) })(ctx)
		},
		"a savepoint": func(ctx context.Context, p *db.Pool, sql string) error {
			begin := func(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }
			return inTx(begin, func(ctx context.Context, tx pgx.Tx) error {
				return inTx(tx.Begin, func(ctx context.Context, tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&text) })(ctx)
			})(ctx)
		},
		"BeginForeign": func(ctx context.Context, p *db.Pool, sql string) error {
			return inTx(p.BeginForeign, func(ctx context.Context, tx pgx.Tx) error {
				rows, err := tx.Query(ctx, sql)
				if err != nil {
					return err
				}
				rows.Close()
				return rows.Err()
			})(ctx)
		},
		"ReadForeign": func(ctx context.Context, p *db.Pool, sql string) error {
			return p.ReadForeign(ctx, func(b *pgconn.Batch) { b.ExecParams(sql, nil, nil, nil, nil) },
				func(results *pgconn.MultiResultReader) error { results.NextResult(); return nil })
		},
	}
}

// A statement whose client has gone ends, and its connection serves the next one.
func TestAbandonedStatementsKeepTheirConnections(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pool := openPool(t, url, time.Hour)
	pool.SetAbandoned(time.Hour)
	// PostgreSQL would end the session if this machine stood still for 8 s.
	const process = `select pg_backend_pid()::text || left(set_config('idle_in_transaction_session_timeout', '0', false), 0)`
	for name, run := range ways() {
		var before, after string
		if err := pool.QueryRow(t.Context(), process).Scan(&before); err != nil {
			t.Fatal(err)
		}
		holder := pgtest.Begin(t, url)
		if _, err := holder.Exec(t.Context(), `select pg_advisory_xact_lock(7)`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, pool, `select pg_advisory_xact_lock(7)::text`) }()
		pid, err := strconv.ParseUint(before, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		pgtest.AwaitLockWait(t, pgtest.Connect(t, url), pgtest.LockWait{PID: uint32(pid), HasEnded: func() bool { return len(ended) > 0 }})
		cancel()
		pgtest.Commit(t, holder)
		var pg *pgconn.PgError
		if err := <-ended; errors.As(err, &pg) { // otherwise there is an error or none, as the client no longer hears of it
			const transactionTimeout = "25P04"
			if pg.Code != transactionTimeout && pg.Code != pgerrcode.IdleInTransactionSessionTimeout {
				t.Errorf("%s: %v", name, err)
			}
			continue // this machine stood still
		}
		if err := pool.QueryRow(t.Context(), process).Scan(&after); err != nil || after != before {
			t.Errorf("%s: the session is %s, %v, and was %s", name, after, err, before)
		}
	}
}

// It does not go on for ever, and a deadline is none of a client that has gone.
func TestAbandonedStatementsEnd(t *testing.T) {
	pool, err := db.OpenPool(t.Context(), pgtest.EmptyDatabase(t), db.PoolOptions{Name: "test", Size: 10, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	const sql = `select pg_sleep(3600)::text`
	for name, run := range ways() {
		pool.SetAbandoned(time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if err := run(ctx, pool, sql); err == nil {
			t.Errorf("%s: a statement has no error although its client has gone", name)
		}
		pool.SetAbandoned(time.Hour)
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := run(ctx, pool, sql); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: after the deadline the error is %v", name, err)
		}
		cancel()
	}
}
