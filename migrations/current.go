package migrations

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errChanges says that Up has something to change, or that the locked attempt explains better why it cannot.
var errChanges = errors.New("something is to change")

// isCurrent reports whether Up has nothing to change. It waits for no other migration: a server that starts must not
// depend on one that hangs.
func (s Set) isCurrent(ctx context.Context, databaseURL string) (bool, error) {
	err := readOnly(ctx, databaseURL, func(tx pgx.Tx) error { return s.checkCurrent(ctx, tx) })
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errChanges), errors.As(err, &pg) && pg.Code != "55P03": // lock_not_available
		return false, nil
	}
	return false, err
}

// checkCurrent returns nil if there is nothing to change. In a read-only transaction, the statements that follow the
// migrations end with an error if they would change anything.
func (s Set) checkCurrent(ctx context.Context, tx pgx.Tx) error {
	if err := checkForeign(ctx, tx, true); err != nil {
		return err
	}
	c, err := s.read(ctx, tx)
	if err != nil {
		return err
	}
	if c.row == nil || c.row.dirty || c.isOld {
		return errChanges
	}
	if newer, err := s.checkNewer(c); newer || err != nil {
		return err
	}
	if latest, err := s.latest(); err != nil || c.row.version != latest {
		return errors.Join(err, errChanges)
	}
	for _, t := range c.old {
		if t.trusted { // to be dropped
			return errChanges
		}
	}
	after, err := s.after()
	if err == nil {
		_, err = tx.Exec(ctx, after)
	}
	return err
}
