package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	pgxmigrate "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// lockTimeout bounds every wait for a lock. golang-migrate waits for its own without a limit.
const lockTimeout = "30s"

// Status is where a set stands.
type Status struct {
	Set     string
	Version uint // 0 if nothing was applied
	Latest  uint
	Dirty   bool // the connection was lost in a migration: see Repair
}

// Current reports whether there is nothing to do.
func (s Status) Current() bool { return s.Version == s.Latest && !s.Dirty }

// ErrDirty is returned when the connection was lost in an earlier migration, and nobody knows if it was applied.
var ErrDirty = errors.New("an earlier migration stopped half-way: see what is there, then run pgherald migrate repair")

// Up applies what is missing of the sets, in the order given.
func Up(ctx context.Context, databaseURL string, sets ...Set) error {
	for _, s := range sets {
		if err := s.run(ctx, databaseURL, (*migrate.Migrate).Up); err != nil {
			return fmt.Errorf("migrate %s up: %w", s.Name, err)
		}
	}
	return nil
}

// Down removes what the sets have made, in the reverse order: all their tables, and what is in
// them.
func Down(ctx context.Context, databaseURL string, sets ...Set) error {
	for i := len(sets) - 1; i >= 0; i-- {
		if err := sets[i].run(ctx, databaseURL, (*migrate.Migrate).Down); err != nil {
			return fmt.Errorf("migrate %s down: %w", sets[i].Name, err)
		}
	}
	return nil
}

// Repair declares that a set which stopped half-way is at the given version, after somebody has
// looked at what is there. It runs no SQL file.
func Repair(ctx context.Context, databaseURL string, set Set, version uint) error {
	latest, err := set.latest()
	if err != nil {
		return err
	}
	if version > latest {
		return fmt.Errorf("repair %s: version %d does not exist, the latest is %d", set.Name, version, latest)
	}
	force := int(version)
	if version == 0 {
		force = -1 // what golang-migrate calls no version
	}
	return set.run(ctx, databaseURL, func(m *migrate.Migrate) error { return m.Force(force) })
}

// StatusOf says where the sets stand. It changes nothing.
func StatusOf(ctx context.Context, databaseURL string, sets ...Set) ([]Status, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(ctx)
	var out []Status
	for _, s := range sets {
		st, err := s.status(ctx, conn)
		if err != nil {
			return nil, fmt.Errorf("read version of %s: %w", s.Name, err)
		}
		out = append(out, st)
	}
	return out, nil
}

// status reads the version itself: golang-migrate would create its table to answer.
func (s Set) status(ctx context.Context, conn *pgx.Conn) (Status, error) {
	latest, err := s.latest()
	st := Status{Set: s.Name, Latest: latest}
	if err != nil {
		return st, err
	}
	var exists bool
	if err := conn.QueryRow(ctx, `select to_regclass($1) is not null`, s.table).Scan(&exists); err != nil || !exists {
		return st, err
	}
	err = conn.QueryRow(ctx, `select version, dirty from `+pgx.Identifier{s.table}.Sanitize()).Scan(&st.Version, &st.Dirty)
	if errors.Is(err, pgx.ErrNoRows) {
		return st, nil
	}
	return st, err
}

// latest is the highest version there is a file for.
func (s Set) latest() (uint, error) {
	names, err := fs.Glob(s.Files(), "*.up.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list migrations of %s: %w", s.Name, errors.Join(err, fs.ErrNotExist))
	}
	last, _, _ := strings.Cut(names[len(names)-1], "_")
	version, err := strconv.ParseUint(last, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read version of migration %s: %w", names[len(names)-1], err)
	}
	return uint(version), nil
}

// run opens the set, does one thing with it, and closes all that it opened.
func (s Set) run(ctx context.Context, databaseURL string, do func(*migrate.Migrate) error) (err error) {
	m, err := s.open(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() {
		sourceErr, dbErr := m.Close()
		err = errors.Join(err, sourceErr, dbErr)
	}()
	err = do(m)
	var dirty migrate.ErrDirty
	if errors.As(err, &dirty) {
		return fmt.Errorf("version %d: %w", dirty.Version, ErrDirty)
	}
	if errors.Is(err, migrate.ErrNoChange) {
		return nil
	}
	return said(err)
}

func (s Set) open(ctx context.Context, databaseURL string) (*migrate.Migrate, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	database := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `set lock_timeout = '`+lockTimeout+`'`)
		return err
	}))
	m, err := s.openOn(ctx, database)
	if err != nil {
		return nil, errors.Join(err, database.Close())
	}
	return m, nil
}

func (s Set) openOn(ctx context.Context, database *sql.DB) (*migrate.Migrate, error) {
	if err := database.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	driver, err := pgxmigrate.WithInstance(database, &pgxmigrate.Config{MigrationsTable: s.table})
	if err != nil {
		return nil, fmt.Errorf("prepare table %s: %w", s.table, err)
	}
	source, err := iofs.New(s.Files(), ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return migrate.NewWithInstance("iofs", source, "pgx5", &wholeFiles{Driver: driver})
}
