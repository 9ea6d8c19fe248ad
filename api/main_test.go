package api_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, makeTables) }

// makeTables makes what the migrations make, and no triggers: who writes what is seen better
// without them.
func makeTables(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	for _, set := range []string{"engine", "workload"} {
		files, globErr := filepath.Glob(filepath.Join("..", "migrations", set, "*.up.sql"))
		err = errors.Join(err, globErr)
		slices.Sort(files)
		for _, file := range files {
			sql, readErr := os.ReadFile(file)
			_, execErr := conn.Exec(ctx, string(sql))
			err = errors.Join(err, readErr, execErr)
		}
	}
	return errors.Join(err, conn.Close(ctx))
}
