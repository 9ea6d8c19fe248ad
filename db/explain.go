package db

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Explain adds advice to the errors of PostgreSQL that a user can act on, and returns any other error
// unchanged.
func Explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "3F000", "42P01": // invalid_schema_name, undefined_table
		return fmt.Errorf("%w: run pgherald migrate up", err)
	case "55000": // object_not_in_prerequisite_state: pg_current_wal_lsn in recovery
		return fmt.Errorf("%w (%w)", ErrStandby, err)
	case "42501": // insufficient_privilege
		return fmt.Errorf("%w: connect as the role that ran pgherald migrate up", err)
	}
	return err
}
