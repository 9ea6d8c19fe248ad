package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
)

func TestIsOutage(t *testing.T) {
	pg := func(code, message string) error { return &pgconn.PgError{Code: code, Message: message} }
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"refused":                     {refused, true},
		"unknown host name":           {&net.DNSError{Err: "no such host", Name: "x"}, true},
		"no answer":                   {context.DeadlineExceeded, true},
		"broken":                      {io.ErrUnexpectedEOF, true},
		"starting up":                 {pg("57P03", ""), true},
		"shutting down":               {pg("57P01", ""), true},
		"too many connections":        {pg("53300", ""), true},
		"locked":                      {pg("55P03", ""), true},
		"read-only":                   {pg("25006", ""), true},
		"a standby":                   {db.ErrStandby, true},
		"one of two hosts is refused": {errors.Join(pg("3D000", ""), refused), true},
		"PgBouncer waits":             {pg("08P01", "server login has been failing, cached error: connect failed (server_login_retry)"), true},
		"PgBouncer's password":        {pg("08P01", "server login has been failing, cached error: password authentication failed (server_login_retry)"), false},
		"PgBouncer knows no database": {pg("08P01", "no such database: x"), false},
		"wrong password":              {pg("28P01", ""), false},
		"no entry in pg_hba.conf":     {pg("28000", ""), false},
		"unknown database":            {pg("3D000", ""), false},
		"database dropped":            {pg("57P04", ""), false},
		"no privilege":                {pg("42501", ""), false},
		"an alert of TLS":             {&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, false},
		"a bad certificate":           {&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, false},
		"a pooler without sessions":   {errors.Join(context.DeadlineExceeded, db.ErrPooler), false},
		"a bug":                       {errors.New("nil map"), false},
	} {
		if got := isOutage(fmt.Errorf("start: %w", tt.err)); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
	if isOutage(nil) {
		t.Error("nil is an outage")
	}
}
