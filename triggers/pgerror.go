package triggers

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// lockNotAvailable is the SQLSTATE for an expired lock_timeout.
	lockNotAvailable = "55P03"
	// deadlockDetected is the SQLSTATE for a deadlock: a writer locks the tables in another order.
	deadlockDetected = "40P01"
	// queryCanceled is the SQLSTATE for an expired statement_timeout. (The end of a context is no error of
	// PostgreSQL.)
	queryCanceled = "57014"
	// insufficientPrivilege and undefinedTable are the SQLSTATEs for a missing right and a missing table.
	insufficientPrivilege = "42501"
	undefinedTable        = "42P01"
	// invalidSchema is the SQLSTATE for a missing schema.
	invalidSchema = "3F000"
)

// postgresError formats an error of PostgreSQL with its message, detail and hint.
type postgresError struct {
	err *pgconn.PgError
}

func (e postgresError) Error() string {
	text := e.err.Message
	if e.err.Detail != "" {
		text += " (detail: " + e.err.Detail + ")"
	}
	if e.err.Hint != "" {
		text += " (hint: " + e.err.Hint + ")"
	}
	return text
}

func (e postgresError) Unwrap() error { return e.err }

// isCode reports whether an error comes from PostgreSQL and has this SQLSTATE.
func isCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}
