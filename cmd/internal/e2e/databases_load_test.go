package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// testDatabase is one that the test did not make for itself, or one of many kinds of tables.
type testDatabase struct {
	name string
	load func(t *testing.T, ctx context.Context, url string)
}

// knownDatabases returns those that need no file, and those of -databases.
func knownDatabases(t *testing.T, seed uint64) []testDatabase {
	t.Helper()
	list := []testDatabase{
		{"pgbench", loadPgbench},
		{"generated", generated(seed, *databasesTables)},
	}
	if *databasesDir == "" {
		return append(list, testDatabase{"files", func(t *testing.T, _ context.Context, _ string) {
			t.Skip("-databases=DIR names no directory with *.sql files")
		}})
	}
	files, err := filepath.Glob(filepath.Join(*databasesDir, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("-databases=%s: there are no *.sql files, %v", *databasesDir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		list = append(list, testDatabase{name, func(t *testing.T, _ context.Context, url string) { loadFile(t, url, file) }})
	}
	return list
}

// generated makes tables of many kinds.
func generated(seed uint64, tables int) func(t *testing.T, _ context.Context, url string) {
	return func(t *testing.T, _ context.Context, url string) {
		t.Helper()
		pgtest.Exec(t, pgtest.Connect(t, url), writeSchema(rand.New(rand.NewPCG(seed, 1)), tables))
	}
}

// loadFile runs a file with psql.
func loadFile(t *testing.T, url, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Psql(t, url, string(text))
}

// loadPgbench makes the tables of pgbench. It leaves 1,000 of the 100,000 accounts, so that a client reads them in a moment.
func loadPgbench(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	program, err := exec.LookPath("pgbench")
	if err != nil {
		t.Skip("pgbench is not installed: it comes with PostgreSQL")
	}
	if out, err := exec.CommandContext(ctx, program, "--initialize", "--quiet", url).CombinedOutput(); err != nil {
		t.Fatalf("pgbench: %v\n%s", err, out)
	}
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `delete from public.pgbench_accounts where aid > 1000`)
}
