package db_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/pgtest"
)

type pgconnTag = pgconn.CommandTag

func begin(t *testing.T, url string) pgx.Tx {
	t.Helper()
	tx, err := pgtest.Connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func rollback(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// addressOf is the network address of a database.
func addressOf(config *pgx.ConnConfig) string { return fmt.Sprintf("%s:%d", config.Host, config.Port) }
