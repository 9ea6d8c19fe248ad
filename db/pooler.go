package db

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrPooler reports that a URL for sessions leads through a pooler that gives each transaction another session.
var ErrPooler = errors.New("the URL leads through a pooler in transaction mode, where LISTEN has no effect: " +
	"give a direct URL with --listen-database-url")

// errAnyPooler is for an error that a pooler in session mode reports too, when it has no session left.
var errAnyPooler = errors.New("if the URL leads through a pooler, give a direct URL with --listen-database-url")

// ExplainSession adds advice to the errors that a pooler causes in a connection that keeps a session, with ErrPooler
// where only transaction mode causes them. It returns any other error unchanged.
func ExplainSession(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || errors.Is(err, ErrPooler) || errors.Is(err, errAnyPooler) {
		return err
	}
	switch pg.Code {
	case "42P05", "26000": // duplicate_prepared_statement, invalid_sql_statement_name
		return fmt.Errorf("%w: %w", err, ErrPooler)
	case "08P01": // protocol_violation: what PgBouncer reports by itself
		return fmt.Errorf("%w: %w", err, errAnyPooler)
	}
	return err
}
