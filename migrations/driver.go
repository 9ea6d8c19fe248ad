package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// driver lets golang-migrate run the files of a set inside a transaction of ours, which holds the lock. So the
// files and the version are committed together, and no set is ever half-way. golang-migrate's own driver stores
// the version in a transaction of its own, in the schema that search_path names, under an advisory lock, which
// any role can hold.
type driver struct {
	ctx context.Context
	tx  pgx.Tx
	set Set
	// others holds the versions of the other sets while the engine's first file is undone: it drops their table.
	others []stored
	err    error // the first
}

// Version returns the version of the set, or database.NilVersion.
func (d *driver) Version() (version int, dirty bool, err error) {
	s, err := readStored(d.ctx, d.tx, d.set)
	if err != nil || s == nil {
		return database.NilVersion, false, err
	}
	return int(s.version), s.dirty, nil
}

// SetVersion stores the version. golang-migrate calls it with dirty before each file: the transaction makes that
// unnecessary. As Run, it keeps its error and returns nil.
func (d *driver) SetVersion(version int, dirty bool) error {
	if !dirty && d.err == nil {
		d.err = d.setVersion(version)
	}
	return nil
}

func (d *driver) setVersion(version int) error {
	if version == database.NilVersion {
		return forget(d.ctx, d.tx, d.set, d.others)
	}
	lowest, err := d.set.compatibleFrom(uint(version))
	if err != nil {
		return err
	}
	return store(d.ctx, d.tx, stored{set: d.set.Name, version: uint(version), compatibleFrom: lowest})
}

// Run applies a file. After an error it only reads the files: golang-migrate has goroutines that write those to a
// pipe, and would leave them behind if Run returned an error.
func (d *driver) Run(file io.Reader) error {
	text, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read a migration: %w", err)
	}
	if d.err == nil {
		d.err = d.apply(string(text))
	}
	return nil
}

func (d *driver) apply(text string) (err error) {
	if d.others, err = readOthers(d.ctx, d.tx, d.set); err != nil {
		return err
	}
	sql, err := withoutExistingSchema(d.ctx, d.tx, text)
	if err != nil {
		return err
	}
	_, err = d.tx.Exec(d.ctx, sql)
	return err
}

// Lock does nothing: the transaction holds the lock.
func (d *driver) Lock() error { return nil }

// Unlock does nothing.
func (d *driver) Unlock() error { return nil }

// Close does nothing: the connection belongs to the caller.
func (d *driver) Close() error { return nil }

// Open and Drop belong to the interface of golang-migrate. Nothing calls them here.
func (d *driver) Open(string) (database.Driver, error) {
	return nil, errors.New("open a database by its URL: not supported")
}

// Drop is not supported.
func (d *driver) Drop() error { return errors.New("drop everything: not supported") }

// withAdvice adds the detail of an error of PostgreSQL, and what to do about it. It leaves other errors alone.
func withAdvice(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	text := ""
	if pg.Detail != "" {
		text = " (detail: " + pg.Detail + ")"
	}
	if pg.Hint != "" {
		text += " (hint: " + pg.Hint + ")"
	}
	switch pg.Code {
	case "55P03": // lock_not_available
		text += "; other sessions used the tables or migrated for " + lockTimeout + ": try again, or end the transactions that stay open"
	case "42501": // insufficient_privilege
		text += "; docs/privileges.md lists the rights that a migration needs, and pgherald migrate show prints the SQL for another role"
	case "3F000": // invalid_schema_name
		text += "; create that schema first, or use --engine-only or --spec to do without the tables of the activities"
	}
	return fmt.Errorf("%w%s", pg, text)
}
