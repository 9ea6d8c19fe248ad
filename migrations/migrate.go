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

// lockTimeout bounds every wait for a lock, including that for golang-migrate's advisory lock, which would
// otherwise have no limit.
const lockTimeout = "30s"

// Status is the version of a set in a database.
type Status struct {
	Set     string
	Version uint // 0 if no migration was applied
	Latest  uint // the version of this program
	Dirty   bool // the connection was lost during a migration: see Repair
}

// Current reports whether the set is at its latest version.
func (s Status) Current() bool { return s.Version == s.Latest && !s.Dirty }

// ErrDirty reports that the connection was lost during an earlier migration, so it is unknown whether that one
// was applied.
var ErrDirty = errors.New("an earlier migration stopped half-way: check the tables, then run pgherald migrate repair")

// Up applies the missing migrations of the sets, in the given order. The workload needs the engine.
func Up(ctx context.Context, databaseURL string, sets ...Set) error {
	for _, s := range sets {
		err := s.run(ctx, databaseURL, (*migrate.Migrate).Up)
		if err == nil && s.after != "" {
			err = s.runAfter(ctx, databaseURL)
		}
		if err != nil {
			return fmt.Errorf("migrate %s up: %w", s.Name, err)
		}
	}
	return nil
}

// runAfter runs the SQL that follows the set's migrations.
func (s Set) runAfter(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, s.after); err != nil {
		return fmt.Errorf("run the statement that follows: %w", err)
	}
	return nil
}

// Down removes everything that the sets created, in reverse order: all their tables with their data.
func Down(ctx context.Context, databaseURL string, sets ...Set) error {
	for i := len(sets) - 1; i >= 0; i-- {
		if err := sets[i].run(ctx, databaseURL, (*migrate.Migrate).Down); err != nil {
			return fmt.Errorf("migrate %s down: %w", sets[i].Name, err)
		}
	}
	return nil
}

// Repair sets the version of a set that stopped half-way. The caller must have checked which version the tables
// have. Repair runs no SQL file.
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
		force = -1 // golang-migrate's value for no version
	}
	return set.run(ctx, databaseURL, func(m *migrate.Migrate) error { return m.Force(force) })
}

// StatusOf returns the status of each set. It changes nothing.
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
			return nil, fmt.Errorf("read the version of set %s: %w", s.Name, err)
		}
		out = append(out, st)
	}
	return out, nil
}

// status reads the version with its own query: golang-migrate would create its table first.
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

// latest returns the highest version among the files.
func (s Set) latest() (uint, error) {
	names, err := fs.Glob(s.Files(), "*.up.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list the migrations of set %s: %w", s.Name, errors.Join(err, fs.ErrNotExist))
	}
	last, _, _ := strings.Cut(names[len(names)-1], "_")
	version, err := strconv.ParseUint(last, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("parse the version of migration %s: %w", names[len(names)-1], err)
	}
	return uint(version), nil
}

// run opens the set, calls do, and closes the set.
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
	return findPostgresError(err)
}

func (s Set) open(ctx context.Context, databaseURL string) (*migrate.Migrate, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
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
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return migrate.NewWithInstance("iofs", source, "pgx5", &atomicFiles{Driver: driver})
}
