package migrations

import (
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"
)

// atomicFiles is a driver that restores the version after a file fails. PostgreSQL runs the text of a file as one
// transaction, so a failed file has changed nothing, and the next attempt needs no repair. golang-migrate alone
// would leave the set dirty. The set is still dirty after a lost connection, since the outcome is unknown then.
type atomicFiles struct {
	database.Driver
	version int // the last version that was not dirty
}

// Version returns the version and remembers it. golang-migrate calls it once, before the first file.
func (a *atomicFiles) Version() (version int, dirty bool, err error) {
	version, dirty, err = a.Driver.Version()
	if err == nil && !dirty {
		a.version = version
	}
	return version, dirty, err
}

// SetVersion stores the version and remembers it. golang-migrate calls it before and after each file.
func (a *atomicFiles) SetVersion(version int, dirty bool) error {
	err := a.Driver.SetVersion(version, dirty)
	if err == nil && !dirty {
		a.version = version
	}
	return err
}

// Run applies a file. If PostgreSQL refuses it, Run restores the version from before the file.
func (a *atomicFiles) Run(file io.Reader) error {
	err := a.Driver.Run(file)
	var failed database.Error
	var pg *pgconn.PgError
	if !errors.As(err, &failed) || !errors.As(failed.OrigErr, &pg) || pg.SeverityUnlocalized != "ERROR" {
		return err
	}
	return errors.Join(fmt.Errorf("nothing has changed since the last version that worked: %w", withAdvice(pg)), a.Driver.SetVersion(a.version, false))
}

// findPostgresError extracts the error of PostgreSQL from an error of golang-migrate, which does not unwrap.
func findPostgresError(err error) error {
	var own *database.Error
	var pg *pgconn.PgError
	if errors.As(err, &own) && errors.As(own.OrigErr, &pg) {
		return withAdvice(pg)
	}
	return err
}

// withAdvice adds the detail to an error of PostgreSQL, and advice for an expired lock timeout.
func withAdvice(pg *pgconn.PgError) error {
	text := ""
	if pg.Detail != "" {
		text = " (detail: " + pg.Detail + ")"
	}
	if pg.Code == "55P03" { // lock_not_available
		text += "; other sessions used the tables or migrated for " + lockTimeout + ": try again, or end the transactions that stay open"
	}
	return fmt.Errorf("%w%s", pg, text)
}
