package notify_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
)

func openLog(t *testing.T, url string) *eventlog.Log {
	t.Helper()
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return eventlog.New(pool)
}

// addressOf returns the network address of a database.
func addressOf(config *pgx.ConnConfig) string { return fmt.Sprintf("%s:%d", config.Host, config.Port) }

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
