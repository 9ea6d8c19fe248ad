package pgtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Connect opens a connection and closes it when the test ends. It does not use the test's context, which is
// cancelled before the cleanups run.
func Connect(t testing.TB, databaseURL string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		defer cancel()
		// The error does not matter: the test may have killed the server.
		_ = conn.Close(ctx)
	})
	return conn
}

// Exec runs SQL and fails the test on an error. Without arguments, sql may hold several statements.
func Exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("run %q: %v", sql, err)
	}
}

// Psql runs SQL in psql and returns its output: rows without headers, columns separated by |, and notifications.
// Each statement is a transaction of its own. Psql skips the test if psql is not installed.
func Psql(t testing.TB, databaseURL, sql string) string {
	t.Helper()
	program := findPsql(t)
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", databaseURL)
	cmd.Stdin = strings.NewReader(sql)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8")
	out, err := cmd.Output()
	if err != nil {
		message := err.Error()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			message += ": " + string(exit.Stderr)
		}
		t.Fatalf("run %q in psql: %s", sql, message)
	}
	return strings.TrimSpace(string(out))
}

// findPsql searches the server's directory and then PATH, since the npm package has no psql.
func findPsql(t testing.TB) string {
	t.Helper()
	inst, err := theKit(t).installation()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(inst.BinDir, "psql"), "psql"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	t.Skip("find psql: not installed")
	return ""
}
