package db_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }

func openPool(t *testing.T, url string, timeout time.Duration) *db.Pool {
	t.Helper()
	pool, err := db.OpenPool(t.Context(), url, db.PoolOptions{Name: "test", Size: 1, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Every way to run a statement has the settings, and none leaves them in the session.
func TestPoolSettings(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pool := openPool(t, url, 1500*time.Millisecond)
	const want = "pg_catalog, pg_temp 1500ms"
	const sql = `select current_setting('search_path') || ' ' || current_setting('statement_timeout')`
	var got string
	if err := pool.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != want {
		t.Errorf("QueryRow has %q, %v", got, err)
	}
	tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	const all = `select current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') || ' ' || (` + sql + `)`
	if err := tx.QueryRow(t.Context(), all).Scan(&got); err != nil || got != "repeatable read on "+want {
		t.Errorf("a transaction has %q, %v", got, err)
	}
	pgtest.Commit(t, tx)
	if _, err := pool.Exec(t.Context(), `select set_config('test.seen', (`+sql+`), false)`); err != nil {
		t.Fatal(err)
	}
	if err := pool.QueryRow(t.Context(), `select current_setting('test.seen')`).Scan(&got); err != nil || got != want {
		t.Errorf("Exec has %q, %v", got, err)
	}
}

func TestPoolEndsSlowStatements(t *testing.T) {
	pool := openPool(t, pgtest.EmptyDatabase(t), time.Millisecond)
	var pg *pgconn.PgError
	if _, err := pool.Exec(t.Context(), `select pg_sleep(60)`); !errors.As(err, &pg) || pg.Code != "57014" {
		t.Errorf("a slow statement ended with %v", err)
	}
}

// A row that is missing is no reason to roll back what the statement did.
func TestPoolCommitsWithoutARow(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, url), `create table public.things (id int)`)
	pool := openPool(t, url, time.Minute)
	var id int
	const sql = `with made as (insert into public.things values ($1) returning id) select id from made where id < 0`
	if err := pool.QueryRow(t.Context(), sql, 1).Scan(&id); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("a query without a row: %v", err)
	}
	if err := pool.QueryRow(t.Context(), `select id from public.things`).Scan(&id); err != nil || id != 1 {
		t.Errorf("the row is %d, %v", id, err)
	}
}

func TestOpenPoolWithoutAServer(t *testing.T) {
	if _, err := db.OpenPool(t.Context(), "postgres://%zz", db.PoolOptions{}); err == nil {
		t.Error("no error for a malformed URL")
	}
	pool := openPool(t, "postgres://postgres@127.0.0.1:1/x?sslmode=disable", time.Second)
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("connected without a server")
	}
}
