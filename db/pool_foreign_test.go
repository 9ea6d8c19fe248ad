package db_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/pgtest"
)

// readForeign returns the first value of each statement.
func readForeign(t *testing.T, pool *db.Pool, statements ...string) (values []string, err error) {
	t.Helper()
	err = pool.ReadForeign(t.Context(), func(batch *pgconn.Batch) {
		for _, sql := range statements {
			batch.ExecParams(sql, nil, nil, nil, nil)
		}
	}, func(results *pgconn.MultiResultReader) error {
		for range statements {
			if !results.NextResult() {
				return results.Close()
			}
			rows := results.ResultReader()
			for rows.NextRow() {
				values = append(values, string(rows.Values()[0]))
			}
			if _, err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return values, err
}

const (
	settingsText = `select concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('search_path'),
		current_setting('statement_timeout'))`
	changeAll = `select set_config('search_path', 'public', false) || set_config('test.here', 'yes', false) || pg_advisory_lock(7)::text`
	remains   = `select concat_ws(' ', current_setting('search_path'), nullif(current_setting('test.here', true), ''), (select count(*) from pg_locks where locktype = 'advisory'))`
)

// All statements run in one transaction with the settings of the pool, and what they change does not outlive it: neither
// when they succeed nor when one fails.
func TestReadForeign(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pool := openPool(t, url, 1500*time.Millisecond)
	var process string
	if err := pool.QueryRow(t.Context(), `select pg_backend_pid()::text`).Scan(&process); err != nil {
		t.Fatal(err)
	}
	for _, last := range []string{`select 'fine'`, `select 1 / 0`, `select nothing`} {
		values, err := readForeign(t, pool, settingsText, changeAll, `select txid_current_snapshot()`, last)
		var pg *pgconn.PgError
		if isFine := last == `select 'fine'`; isFine != (err == nil) || !isFine && !errors.As(err, &pg) {
			t.Errorf("%s: %v", last, err)
		}
		if len(values) < 1 || values[0] != "repeatable read on pg_catalog, pg_temp 1500ms" {
			t.Errorf("%s: the settings are %q", last, values)
		}
		var got, now string
		if err := pool.QueryRow(t.Context(), remains).Scan(&got); err != nil || got != "pg_catalog, pg_temp 0" {
			t.Errorf("%s: %q, %v remains", last, got, err)
		}
		if err := pool.QueryRow(t.Context(), `select pg_backend_pid()::text`).Scan(&now); err != nil || now != process {
			t.Errorf("%s: the session is %s, %v, and was %s", last, now, err, process)
		}
	}
	if _, err := readForeign(t, pool, `create table public.things (id int)`); err == nil {
		t.Error("the transaction is not read-only")
	}
	// Each statement is parsed after the ones before it have run.
	values, err := readForeign(t, pool, `select set_config('search_path', 'information_schema', true)`, `select count(*) >= 0 from schemata`)
	if err != nil || len(values) != 2 || values[1] != "t" {
		t.Errorf("the second statement gives %q, %v", values, err)
	}
}

// A reader that gives up has no effect on the next one.
func TestReadForeignStops(t *testing.T) {
	pool := openPool(t, pgtest.EmptyDatabase(t), time.Minute)
	errStop := errors.New("stop")
	err := pool.ReadForeign(t.Context(), func(batch *pgconn.Batch) {
		batch.ExecParams(`select generate_series(1, 1000)`, nil, nil, nil, nil)
	}, func(*pgconn.MultiResultReader) error { return errStop })
	if !errors.Is(err, errStop) {
		t.Error(err)
	}
	if values, err := readForeign(t, pool, settingsText); err != nil || values[0] != "repeatable read on pg_catalog, pg_temp 1min" {
		t.Errorf("the next reader has %q, %v", values, err)
	}
}
