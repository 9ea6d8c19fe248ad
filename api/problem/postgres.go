package problem

import (
	"net/http"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// ofPostgres returns the problem for an error of PostgreSQL. Its cause decides: a value of the request, other
// rows, the state of the server, or a bug. A handler that knows its tables can replace the error by a problem
// that says more.
func ofPostgres(pg *pgconn.PgError) *Problem {
	switch code := pg.Code; {
	case IsConflict(pg):
		return New(http.StatusConflict, "the values conflict with other rows (rule "+pg.ConstraintName+")")
	case IsInvalidValue(pg):
		return invalidValue(pg)
	case code == pgerrcode.SerializationFailure, code == pgerrcode.DeadlockDetected, code == pgerrcode.LockNotAvailable:
		return unavailable("another transaction is changing the same rows: try again in a moment")
	case code == pgerrcode.QueryCanceled:
		return unavailable("the database did not answer in time: ask for less, or try again in a moment")
	case isOutage(code):
		return unavailable("the database cannot do this now: try again in a moment")
	case isRowSecurity(pg):
		return &Problem{Status: http.StatusForbidden, Code: "row_security", Detail: "a policy of the database does not let you write this"}
	default:
		return internal()
	}
}

// IsConflict reports whether rows that exist, or are missing, forbid the change.
func IsConflict(pg *pgconn.PgError) bool {
	switch pg.Code {
	case pgerrcode.UniqueViolation, pgerrcode.ExclusionViolation, pgerrcode.ForeignKeyViolation:
		return true
	}
	return false
}

// IsInvalidValue reports whether the database refuses a value whatever other rows exist: a constraint forbids
// it, or its type or encoding cannot hold it.
func IsInvalidValue(pg *pgconn.PgError) bool {
	return !IsConflict(pg) && (pgerrcode.IsIntegrityConstraintViolation(pg.Code) || pgerrcode.IsDataException(pg.Code))
}

func invalidValue(pg *pgconn.PgError) *Problem {
	if pg.ConstraintName != "" {
		return New(http.StatusBadRequest, "the body is not allowed by the rule "+pg.ConstraintName)
	}
	return New(http.StatusBadRequest, "the database cannot store a value of the body")
}

// isRowSecurity reports whether a row-level security policy refused a row, which the client may know. A missing
// privilege of the server's role is a mistake of the operator and has the same SQLSTATE. The name of the C
// function that raised the error tells them apart.
func isRowSecurity(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.InsufficientPrivilege && pg.Routine == "ExecWithCheckOptions"
}

// isOutage reports whether the same request may succeed later or at another server: PostgreSQL is starting or
// stopping, has no resources left, is a standby, or ended the statement.
func isOutage(code string) bool {
	return pgerrcode.IsConnectionException(code) ||
		pgerrcode.IsInsufficientResources(code) ||
		pgerrcode.IsOperatorIntervention(code) ||
		pgerrcode.IsSystemError(code) ||
		code == pgerrcode.ReadOnlySQLTransaction ||
		code == "25P03" || code == "25P04" || // idle_in_transaction_session_timeout, transaction_timeout
		code == pgerrcode.ObjectNotInPrerequisiteState
}
