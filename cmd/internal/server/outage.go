package server

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db"
)

// isOutage reports whether the database, or the store of the edges, may accept at another time what it has refused with err: it cannot be
// reached, starts, stops, is a standby, or has no connection or lock left.
//
// What only a person can change is no outage. A wrong password is such a thing although secrets rotate: a process reads
// its secret once, so that only a new process has the new one, and its supervisor starts that.
func isOutage(err error) bool {
	if errors.Is(err, db.ErrPooler) {
		return false
	}
	for _, passing := range []error{
		db.ErrStandby, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, errNotAwaited,
		errNoDocument, errUnreadable,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return anyOf(err, func(err error) bool {
		switch e := err.(type) { //nolint:errorlint // anyOf looks at every error of the tree, not only at the first one
		case *pgconn.PgError:
			return isOutageCode(e)
		case interface{ IsOutage() bool }: // of the store of the edges
			return e.IsOutage()
		case *net.OpError:
			return e.Op != "remote error" // an alert of TLS: a certificate is missing or wrong
		case net.Error: // names and addresses, timeouts
			return true
		}
		return false
	})
}

// anyOf reports whether a condition holds for an error in the tree of err. Of several addresses, one that may come back
// is enough.
func anyOf(err error, holds func(error) bool) bool {
	if err == nil {
		return false
	}
	if holds(err) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // it unwraps
	case interface{ Unwrap() error }:
		return anyOf(e.Unwrap(), holds)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if anyOf(err, holds) {
				return true
			}
		}
	}
	return false
}

func isOutageCode(pg *pgconn.PgError) bool {
	switch code := pg.Code; code {
	case pgerrcode.ProtocolViolation:
		return isPoolerOutage(pg.Message)
	case pgerrcode.DatabaseDropped:
		return false
	case pgerrcode.LockNotAvailable, pgerrcode.SerializationFailure, pgerrcode.DeadlockDetected, pgerrcode.ReadOnlySQLTransaction,
		"25P03", "25P04": // idle_in_transaction_session_timeout, transaction_timeout
		return true
	default:
		return pgerrcode.IsConnectionException(code) || pgerrcode.IsInsufficientResources(code) ||
			pgerrcode.IsOperatorIntervention(code) || pgerrcode.IsSystemError(code)
	}
}

// isPoolerOutage recognizes what PgBouncer says about a PostgreSQL that is away, for which it has one code with all else.
func isPoolerOutage(message string) bool {
	if strings.Contains(message, "password") || strings.Contains(message, "does not exist") {
		return false // the cause of server_login_retry
	}
	for _, text := range []string{
		"server_login_retry", "query_wait_timeout", "server conn crashed", "server login has been failing",
		"no more connections allowed", "client_login_timeout", "shut", "connect failed", "the database system is",
	} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}
