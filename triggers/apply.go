package triggers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Changes describes what Apply or Drop did, one phrase for each change, in order.
type Changes []string

// An Option configures Apply and Drop.
type Option func(*options)

type options struct {
	lockTimeout time.Duration
}

// LockTimeout bounds the wait for each lock. The default is 5 s. Writers queue behind a waiting Apply, so
// they may wait as long.
func LockTimeout(limit time.Duration) Option {
	return func(o *options) { o.lockTimeout = limit }
}

// Apply changes the database to exactly the triggers of the spec, in one transaction. An error means that
// nothing has changed. Apply leaves up-to-date triggers alone: a second Apply takes no lock that delays a
// writer.
func Apply(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Changes, error) {
	var done Changes
	err := transact(ctx, conn, opts, func(tx pgx.Tx) error {
		changes, err := plan(ctx, tx, spec)
		if err != nil {
			return err
		}
		done, err = execute(ctx, tx, changes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply triggers: %w", err)
	}
	return done, nil
}

// Drop removes every generated trigger and function, of any spec. The log stays. Drop does nothing in a
// database without a log.
func Drop(ctx context.Context, conn *pgx.Conn, opts ...Option) (Changes, error) {
	var done Changes
	err := transact(ctx, conn, opts, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return err
		}
		done, err = execute(ctx, tx, planChanges(objects{}, found))
		return err
	})
	if errors.Is(err, errNoLog) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("drop triggers: %w", err)
	}
	return done, nil
}

// plan validates the spec and compares it with the installed objects.
func plan(ctx context.Context, tx pgx.Tx, spec Spec) ([]change, error) {
	found, err := loadInstalled(ctx, tx)
	if err != nil {
		return nil, err
	}
	tables, err := resolve(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	if err := mistakesOf(tables); err != nil {
		return nil, err
	}
	return planChanges(objectsOf(tables), found), nil
}

// execute runs the changes in order and returns their descriptions.
func execute(ctx context.Context, tx pgx.Tx, changes []change) (Changes, error) {
	var done Changes
	for _, c := range changes {
		for _, sql := range c.sql {
			if _, err := tx.Exec(ctx, sql); isCode(err, lockNotAvailable) || isCode(err, deadlockDetected) {
				return nil, fmt.Errorf("lock table %s: it stayed in use by other transactions; try again, or allow more time: %w", c.table, err)
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", c.action, err)
			}
		}
		done = append(done, c.action)
	}
	return done, nil
}

const (
	// lockNotAvailable is the SQLSTATE for an expired lock_timeout.
	lockNotAvailable = "55P03"
	// deadlockDetected is the SQLSTATE for a deadlock: a writer locks the tables in another order.
	deadlockDetected = "40P01"
	// applyLock is the advisory lock that serializes changes of triggers: "pgherald" in ASCII.
	applyLock int64 = 0x70676865_72616c64
)

// transact runs do in a transaction that excludes every other Apply and Drop.
func transact(ctx context.Context, conn *pgx.Conn, opts []Option, do func(pgx.Tx) error) error {
	o := options{lockTimeout: 5 * time.Second}
	for _, opt := range opts {
		opt(&o)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	// Does nothing after a commit. After an error, the connection is usable again or lost.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := prepare(ctx, tx, o); err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit the transaction: %w", err)
	}
	return nil
}

// prepare applies the settings of the transaction and takes applyLock. Later reads see the changes of the
// previous holder.
func prepare(ctx context.Context, tx pgx.Tx, o options) error {
	if err := localSettings(ctx, tx); err != nil {
		return err
	}
	limit := strconv.FormatInt(max(o.lockTimeout.Milliseconds(), 1), 10)
	if _, err := tx.Exec(ctx, `select set_config('lock_timeout', $1, true)`, limit); err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
	}
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, applyLock)
	if isCode(err, lockNotAvailable) {
		return fmt.Errorf("wait for another process that is changing triggers: %w", err)
	}
	if err != nil {
		return fmt.Errorf("take the lock for changing triggers: %w", err)
	}
	return nil
}
