package triggers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Changes lists what Apply or Drop did, in words and in order.
type Changes []string

// Drift is one difference between the spec and the database.
type Drift struct {
	// Message says what differs, and Remedy what to do about it.
	Message, Remedy string
}

// String is the drift as one line.
func (d Drift) String() string { return d.Message + "; " + d.Remedy }

// An Option changes how Apply and Drop work.
type Option func(*options)

type options struct {
	lockTimeout time.Duration
}

// LockTimeout bounds the wait for each lock. Writers that come after us wait as long, so it is
// short (5 s) unless this says otherwise.
func LockTimeout(limit time.Duration) Option {
	return func(o *options) { o.lockTimeout = limit }
}

// Apply makes the database have exactly the triggers of the spec, in one transaction; on an error
// nothing has changed. What is there already is not touched: a second Apply takes no lock that a
// writer could feel.
func Apply(ctx context.Context, conn *pgx.Conn, spec Spec, opts ...Option) (Changes, error) {
	var done Changes
	err := transact(ctx, conn, opts, func(tx pgx.Tx) error {
		changes, err := difference(ctx, tx, spec)
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

// Drop removes every trigger and trigger function of ours, whatever spec they came from. The log
// stays. Without a log there is nothing to do.
func Drop(ctx context.Context, conn *pgx.Conn, opts ...Option) (Changes, error) {
	var done Changes
	err := transact(ctx, conn, opts, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return err
		}
		done, err = execute(ctx, tx, compare(objects{}, found))
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

// Check says what Apply would change, and changes nothing. Expressions that no longer fit the
// tables, because a column is gone, are drift as well.
func Check(ctx context.Context, conn *pgx.Conn, spec Spec) ([]Drift, error) {
	var drifts []Drift
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		if err != nil {
			return err
		}
		relations, err := loadRelations(ctx, tx, spec)
		if err != nil {
			return err
		}
		for _, c := range compare(generateAll(spec, relations), found) {
			drifts = append(drifts, Drift{c.drift, "run `pgherald triggers apply`"})
		}
		wrong, err := validate(ctx, tx, spec, relations)
		for _, w := range wrong {
			drifts = append(drifts, Drift{w.Error(), "writes may fail; correct the spec or the table, then run `pgherald triggers apply`"})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("check triggers: %w", err)
	}
	return drifts, nil
}

// SQL is the whole script that the spec comes to on this database. It only looks.
func SQL(ctx context.Context, conn *pgx.Conn, spec Spec) (string, error) {
	var script string
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		relations, err := loadRelations(ctx, tx, spec)
		if err != nil {
			return err
		}
		script = generateAll(spec, relations).script()
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("generate triggers: %w", err)
	}
	return script, nil
}

// difference validates the spec and compares it with what is installed.
func difference(ctx context.Context, tx pgx.Tx, spec Spec) ([]change, error) {
	found, err := loadInstalled(ctx, tx)
	if err != nil {
		return nil, err
	}
	relations, err := loadRelations(ctx, tx, spec)
	if err != nil {
		return nil, err
	}
	wrong, err := validate(ctx, tx, spec, relations)
	if err := errors.Join(append(wrong, err)...); err != nil {
		return nil, err
	}
	return compare(generateAll(spec, relations), found), nil
}

func execute(ctx context.Context, tx pgx.Tx, changes []change) (Changes, error) {
	var done Changes
	for _, c := range changes {
		for _, sql := range c.sql {
			if _, err := tx.Exec(ctx, sql); isCode(err, lockNotAvailable) || isCode(err, deadlockDetected) {
				return nil, fmt.Errorf("lock table %s: it stayed in use by other transactions; try again, or allow more time: %w", c.table, err)
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", c.done, err)
			}
		}
		done = append(done, c.done)
	}
	return done, nil
}
