package triggers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, migrate)
}

// migrate creates the log and the workload's tables from the SQL of the migrations.
func migrate(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, set := range []string{"engine", "workload"} {
		files, err := filepath.Glob(filepath.Join("..", "migrations", set, "*.up.sql"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("find the %s migrations: %w", set, err)
		}
		for _, file := range files {
			sql, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, string(sql)); err != nil {
				return fmt.Errorf("run %s: %w", file, err)
			}
		}
	}
	return nil
}
