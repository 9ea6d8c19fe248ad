package triggers

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
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

const (
	// insufficientPrivilege is the SQLSTATE for a missing right.
	insufficientPrivilege = "42501"
	// queryCanceled is the SQLSTATE for an expired statement_timeout.
	queryCanceled = "57014"
)
