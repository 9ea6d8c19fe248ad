package migrations

import (
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"
)

// wholeFiles is a driver that knows that a file is applied as a whole or not at all: Postgres takes what
// is sent to it as one text for one transaction. So after an error the version is again the one before,
// and the next attempt needs nobody to repair anything. golang-migrate would leave the set dirty: it
// still does when the connection is lost, as then nobody knows.
type wholeFiles struct {
	database.Driver
	version int // the last that was not dirty
}

// Version is called once, before the first file.
func (w *wholeFiles) Version() (version int, dirty bool, err error) {
	version, dirty, err = w.Driver.Version()
	if err == nil && !dirty {
		w.version = version
	}
	return version, dirty, err
}

// SetVersion is called before and after each file.
func (w *wholeFiles) SetVersion(version int, dirty bool) error {
	err := w.Driver.SetVersion(version, dirty)
	if err == nil && !dirty {
		w.version = version
	}
	return err
}

// Run applies a file.
func (w *wholeFiles) Run(file io.Reader) error {
	err := w.Driver.Run(file)
	var failed database.Error
	var pg *pgconn.PgError
	if !errors.As(err, &failed) || !errors.As(failed.OrigErr, &pg) || pg.SeverityUnlocalized != "ERROR" {
		return err
	}
	return errors.Join(fmt.Errorf("nothing has changed since the last version that worked: %w", say(pg)), w.Driver.SetVersion(w.version, false))
}

// said finds what Postgres says about a statement of golang-migrate's own, which does not unwrap.
func said(err error) error {
	var own *database.Error
	var pg *pgconn.PgError
	if errors.As(err, &own) && errors.As(own.OrigErr, &pg) {
		return say(pg)
	}
	return err
}

// say is an error of Postgres with its detail, and with what to do where we know that.
func say(pg *pgconn.PgError) error {
	text := ""
	if pg.Detail != "" {
		text = " (detail: " + pg.Detail + ")"
	}
	if pg.Code == "55P03" { // lock_not_available
		text += "; others have used the tables or migrated for " + lockTimeout + ": try again, or end the transactions that stay open"
	}
	return fmt.Errorf("%w%s", pg, text)
}
