package problem

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Reason describes an error of the database, or of the store of the edges, to every client. The texts of pgx and PostgreSQL name hosts, users and
// databases: those are for the log.
func Reason(err error) string {
	var postgres *pgconn.PgError
	var connect *pgconn.ConnectError
	var dial *net.OpError
	var host *net.DNSError
	var store storeError
	isUnreachable := errors.As(err, &connect) || errors.As(err, &dial)
	switch {
	case errors.As(err, &store):
		return store.Public()
	case errors.As(err, &postgres):
		return "PostgreSQL answers with SQLSTATE " + postgres.Code
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &host):
		return "unknown host"
	case isUnreachable && isTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case isUnreachable:
		return "no connection"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
