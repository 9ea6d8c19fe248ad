package problem_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/api/problem"
)

// TestReasonNamesNoSecrets covers what clients learn about a database that is away.
func TestReasonNamesNoSecrets(t *testing.T) {
	t.Parallel()
	_, refused := pgx.Connect(t.Context(), "postgres://secretuser@127.0.0.1:1/secretdatabase")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"refused":  {refused, "connection refused"},
		"answer":   {&pgconn.PgError{Code: "28P01", Message: `password authentication failed for user "secretuser"`}, "PostgreSQL answers with SQLSTATE 28P01"},
		"reset":    {&net.OpError{Op: "read", Err: syscall.ECONNRESET, Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7)}}, "no connection"},
		"host":     {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "secret.example"}}, "unknown host"},
		"our text": {errors.New("the log was not read"), "the log was not read"},
	} {
		got := problem.Reason(fmt.Errorf("connect: %w", test.err))
		if !strings.HasSuffix(got, test.want) || strings.Contains(got, "secret") || strings.Contains(got, "10.0.0.7") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
