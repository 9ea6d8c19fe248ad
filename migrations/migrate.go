package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
)

// Status is the version of a set in a database.
type Status struct {
	Set     string
	Version uint // 0 if no migration was applied
	Latest  uint // the version of this program
	// CompatibleFrom is the lowest version of a program that may use the tables; 0 if nothing says so.
	CompatibleFrom uint
	Dirty          bool // an older pgherald stopped half-way: see Repair
	Unknown        bool // the tables exist, and nothing says in which version: see Repair
}

// Current reports whether the set is at its latest version.
func (s Status) Current() bool { return s.Version == s.Latest && !s.Dirty && !s.Unknown }

// IsAbsent reports whether no migration of the set was applied.
func (s Status) IsAbsent() bool { return s.Version == 0 && !s.Dirty && !s.Unknown }

// ErrDirty reports that an older pgherald lost its connection during a migration, so it is unknown whether that
// one was applied.
var ErrDirty = errors.New("an earlier migration stopped half-way: check the tables, then run pgherald migrate repair")

// Up applies the missing migrations of the sets, in the given order. The workload needs the engine.
func Up(ctx context.Context, databaseURL string, sets ...Set) error {
	for _, s := range sets {
		if err := s.up(ctx, databaseURL); err != nil {
			return fmt.Errorf("migrate %s up: %w", s.Name, withAdvice(err))
		}
	}
	return nil
}

// maxAttempts bounds the attempts of Up that end because another process has migrated meanwhile.
const maxAttempts = 10

// up tries again where another process was faster: before the first migration there is no table to lock. It also tries again
// where a transaction stays open that uses a table, for as long as it may wait in all.
func (s Set) up(ctx context.Context, databaseURL string) error {
	if current, err := s.isCurrent(ctx, databaseURL); current || err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for attempt := 1; ; {
		err := transact(ctx, databaseURL, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, shortWaitSQL); err != nil {
				return fmt.Errorf("prepare the transaction: %w", err)
			}
			return s.upIn(ctx, tx)
		})
		switch {
		case isLocked(err) && time.Now().Before(deadline):
			if err := pause(ctx); err != nil {
				return err
			}
		case errors.As(err, new(conflict)) && attempt < maxAttempts:
			attempt++
		default:
			return err
		}
	}
}

func (s Set) upIn(ctx context.Context, tx pgx.Tx) error {
	c, err := s.read(ctx, tx)
	if err != nil {
		return err
	}
	if err := s.checkState(c); err != nil {
		if c.unknown { // or another process has moved the version since we read it
			return conflict{err}
		}
		return err
	}
	newer, err := s.checkNewer(c)
	if err != nil || newer {
		return err // nil for an old replica that restarts while a newer one has migrated
	}
	if err := s.adopt(ctx, tx); err != nil {
		return err
	}
	if s.Name == Engine().Name {
		// First of all, so that a process that migrates at the same time waits here.
		if err := createTable(ctx, tx); err != nil {
			return err
		}
	}
	if err := s.run(ctx, tx, (*migrate.Migrate).Up); err != nil {
		return err
	}
	after, err := s.after()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, after); err != nil {
		return fmt.Errorf("run the statements that follow: %w", err)
	}
	return nil
}

// checkState returns an error that says what to do if the set cannot be migrated from here.
func (s Set) checkState(c current) error {
	if c.unknown {
		return fmt.Errorf("table %s exists, and nothing says in which version, as after a restore of one schema: "+
			"run pgherald migrate repair %s with the version of the tables; or, if the table is not of pgherald, use --engine-only or --spec", s.probe, s.Name)
	}
	if c.row != nil && c.row.dirty {
		return fmt.Errorf("version %d: %w", c.row.version, ErrDirty)
	}
	return nil
}

// Down removes everything that the sets created, in reverse order: all their tables with their data. The last set
// takes the schema pgherald with it. DropRole removes what remains then.
func Down(ctx context.Context, databaseURL string, sets ...Set) error {
	for i := len(sets) - 1; i >= 0; i-- {
		s := sets[i]
		if err := transact(ctx, databaseURL, func(tx pgx.Tx) error { return s.downIn(ctx, tx) }); err != nil {
			return fmt.Errorf("migrate %s down: %w", s.Name, withAdvice(err))
		}
	}
	return nil
}

// CheckDown returns an error if Down would refuse to remove the sets. Call it before what depends on them is removed.
func CheckDown(ctx context.Context, databaseURL string, sets ...Set) error {
	statuses, err := StatusOf(ctx, databaseURL, sets...)
	if err != nil {
		return err
	}
	for _, st := range statuses {
		if st.IsNewer() {
			return fmt.Errorf("migrate %s down: %w", st.Set, errNewerDown)
		}
	}
	return nil
}

var errNewerDown = errors.New("a newer pgherald made the tables: remove them with that one")

func (s Set) downIn(ctx context.Context, tx pgx.Tx) error {
	c, err := s.read(ctx, tx)
	if err != nil {
		return err
	}
	if err := s.checkState(c); err != nil {
		return err
	}
	if newer, err := s.checkNewer(c); newer {
		return errNewerDown
	} else if err != nil {
		return err
	}
	if err := s.adopt(ctx, tx); err != nil {
		return err
	}
	if err := s.dropOwned(ctx, tx); err != nil {
		return err
	}
	return s.run(ctx, tx, (*migrate.Migrate).Down)
}

// Repair sets the version of a set that stopped half-way or whose version is unknown. The caller must have
// checked which version the tables have. Repair runs no SQL file, and refuses a set that needs no repair.
func Repair(ctx context.Context, databaseURL string, s Set, version uint) error {
	files, err := s.upFiles()
	if err != nil {
		return err
	}
	if !hasVersion(files, version) {
		return fmt.Errorf("repair %s: version %d does not exist, the latest is %d", s.Name, version, files[len(files)-1].version)
	}
	err = transact(ctx, databaseURL, func(tx pgx.Tx) error {
		c, err := s.read(ctx, tx)
		if err != nil {
			return err
		}
		if newer, err := s.checkNewer(c); newer {
			return errors.New("a newer pgherald made the tables: repair them with that one")
		} else if err != nil {
			return err
		}
		if !c.unknown && (c.row == nil || !c.row.dirty) {
			return errors.New("nothing stopped half-way, and the version is known: there is nothing to repair")
		}
		if version == 0 {
			return fmt.Errorf("table %s exists, so the version is not 0", s.probe)
		}
		if err := s.adopt(ctx, tx); err != nil {
			return err
		}
		lowest, err := s.compatibleFrom(version)
		if err != nil {
			return err
		}
		return store(ctx, tx, stored{set: s.Name, version: version, compatibleFrom: lowest})
	})
	if err != nil {
		return fmt.Errorf("repair %s: %w", s.Name, withAdvice(err))
	}
	return nil
}

func hasVersion(files []file, version uint) bool {
	for _, f := range files {
		if f.version == version {
			return true
		}
	}
	return version == 0
}

// StatusOf returns the status of each set. It changes nothing.
func StatusOf(ctx context.Context, databaseURL string, sets ...Set) (out []Status, err error) {
	err = readOnly(ctx, databaseURL, func(tx pgx.Tx) error {
		if err := checkForeign(ctx, tx, false); err != nil {
			return err
		}
		out = nil
		for _, s := range sets {
			st, err := s.status(ctx, tx)
			if err != nil {
				return fmt.Errorf("read the version of set %s: %w", s.Name, err)
			}
			out = append(out, st)
		}
		return nil
	})
	return out, err
}

// status reads the version with its own query: golang-migrate would create its table first.
func (s Set) status(ctx context.Context, tx pgx.Tx) (Status, error) {
	c, err := s.read(ctx, tx)
	if err != nil {
		return Status{Set: s.Name}, err
	}
	return s.statusOf(c)
}

// run lets golang-migrate run files in the transaction.
func (s Set) run(ctx context.Context, tx pgx.Tx, do func(*migrate.Migrate) error) error {
	source, err := iofs.New(s.Files(), ".")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	files := &driver{ctx: ctx, tx: tx, set: s}
	m, err := migrate.NewWithInstance("iofs", source, "pgherald", files)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	err = do(m)
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, _ := m.Close() // the driver has nothing to close
	return errors.Join(files.err, err, sourceErr)
}
