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

// Connect opens a connection that is closed when the test ends. Like the rest
// here it does not use the test's context, which is over when cleanups run.
func Connect(t testing.TB, databaseURL string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// The other side may be gone, which is what such a test is about.
		_ = conn.Close(ctx)
	})
	return conn
}

// Exec runs SQL that has to succeed: one statement if there are arguments, else
// any number.
func Exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("run %q: %v", sql, err)
	}
}

// Psql types SQL into the real psql and returns what it prints: rows without
// headers, columns parted by |, and any notification. Each statement is a
// transaction of its own. Where there is no psql the test is skipped.
func Psql(t testing.TB, databaseURL, sql string) string {
	t.Helper()
	program := findPsql(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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

// findPsql looks beside the server first: npm's package has none.
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
