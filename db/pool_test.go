package db_test

import (
	"context"
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

// A database for old applications reads backslashes in texts as escapes, with which pgx sends nothing by the simple protocol.
func TestSessionsReadTextsAsStandardSQL(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pgtest.SetDefault(t, pgtest.Connect(t, url), "standard_conforming_strings", "off")
	config, err := db.ParseSession(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	session, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.WithoutCancel(t.Context()))
	const sql = `select '\a'`
	var got string
	if err := session.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != `\a` {
		t.Errorf("a session reads %q, %v", got, err)
	}
	if err := openPool(t, url, time.Minute).QueryRow(t.Context(), sql).Scan(&got); err != nil || got != `\a` {
		t.Errorf("a pool reads %q, %v", got, err)
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

// A full pool is not a dead database: the error says so, and the connection in use stays.
func TestFullPool(t *testing.T) {
	pool := openPool(t, pgtest.EmptyDatabase(t), time.Minute)
	tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var full *db.NoConnectionError
	if _, err := pool.Exec(ctx, `select`); !errors.As(err, &full) || full.PoolFull() != "test" || pool.Refused() != 1 {
		t.Errorf("a full pool returns %v, and counts %d", err, pool.Refused())
	}
	if _, err := tx.Exec(t.Context(), `select`); err != nil {
		t.Errorf("the connection in use: %v", err)
	}
	pgtest.Commit(t, tx)
	if _, err := pool.Exec(t.Context(), `select`); err != nil {
		t.Errorf("a pool with a free connection: %v", err)
	}
}

// An attempt to connect that gets no answer is an outage, although it takes the only place in the pool.
func TestDeadDatabaseIsNoFullPool(t *testing.T) {
	database := pgtest.EmptyDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	proxy.Blackhole(true)
	pool := openPool(t, proxy.URL(database), time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := pool.Exec(ctx, `select`); err == nil || errors.As(err, new(*db.NoConnectionError)) {
		t.Errorf("a dead database returns %v", err)
	}
}
