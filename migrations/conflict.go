package migrations

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// conflict is an error that another attempt would not meet: another process created or dropped the schema pgherald
// or its table of versions at the same time.
type conflict struct{ error }

func (c conflict) Unwrap() error { return c.error }

// asConflict marks an error about the schema or the table of versions as a conflict if it is one.
func asConflict(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "42P06", "42P07", "42710", "23505", // the object exists, perhaps in a transaction that has just committed
		"42P01", "3F000": // the object is gone
		return conflict{err}
	}
	return err
}
