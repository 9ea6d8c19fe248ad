package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Begin begins a transaction on a connection of its own, which the test's cleanup closes.
func Begin(t testing.TB, url string) pgx.Tx {
	t.Helper()
	tx, err := Connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// Commit commits the transaction and fails the test on an error.
func Commit(t testing.TB, tx pgx.Tx) { t.Helper(); end(t, tx.Commit) }

// Rollback rolls the transaction back and fails the test on an error.
func Rollback(t testing.TB, tx pgx.Tx) { t.Helper(); end(t, tx.Rollback) }

func end(t testing.TB, do func(context.Context) error) {
	t.Helper()
	if err := do(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// SetDefault sets a parameter as an administrator may have, for the database and all its sessions to come.
func SetDefault(t testing.TB, conn *pgx.Conn, parameter, value string) {
	t.Helper()
	Exec(t, conn, `alter database `+pgx.Identifier{conn.Config().Database}.Sanitize()+` set `+parameter+` = '`+value+`'`)
}
