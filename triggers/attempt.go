package triggers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/bounds"
	"github.com/pgherald/pgherald/stream/backoff"
)

// planner returns the changes that are due.
type planner func(context.Context, pgx.Tx) ([]change, error)

// attempts changes triggers without making others wait. A transaction that waits for a table lock makes
// every later writer of the table wait too. So an attempt waits lockWait at most, for all tables together;
// then it releases everything, pauses, and tries again.
type attempts struct {
	conn     *pgx.Conn
	plan     planner
	options  options
	started  time.Time
	needed   bool // that something is to change, as far as is known
	attempts int
	wait     time.Duration // of the next attempt for its table locks
}

const (
	// lockWait bounds the wait of an attempt for its table locks, and thereby that of the sessions behind it.
	lockWait = 100 * time.Millisecond
	// longestWait bounds it for tables that nothing uses, but which are so many, or the machine so slow, that taking
	// their locks needs longer than lockWait.
	longestWait = 16 * lockWait
	// queueWait bounds the wait of an attempt for another Apply or Drop. It delays no other session.
	queueWait = time.Second
	// firstPause and lastPause are the longest of the first pauses between attempts and of the last ones. With the last
	// ones, attempts that fail delay writers for a fifteenth of the time.
	firstPause = 133 * time.Millisecond
	lastPause  = 2 * time.Second
)

// makeChanges makes the planned changes in one transaction. If none is due, it takes no lock.
func makeChanges(ctx context.Context, conn *pgx.Conn, o options, plan planner) (Changes, error) {
	a := &attempts{conn: conn, plan: plan, options: o, started: time.Now(), wait: o.lockWait}
	for {
		done, err := a.attempt(ctx)
		var busy *BusyError
		if !errors.As(err, &busy) {
			return done, err
		}
		if err := a.await(ctx, busy); err != nil {
			return nil, err
		}
	}
}

// attempt returns a BusyError if a lock was not to be had in time.
func (a *attempts) attempt(ctx context.Context) (done Changes, err error) {
	a.attempts++
	if !a.needed {
		if err := a.look(ctx); err != nil || !a.needed {
			return nil, err
		}
	}
	err = transact(ctx, a.conn, a.left(), func(tx pgx.Tx) error {
		changes, err := a.plan(ctx, tx)
		if err != nil {
			return err
		}
		done, err = execute(ctx, tx, changes, a.lockLimit())
		return err
	})
	return done, asBusy(err)
}

// look plans in a read-only transaction.
func (a *attempts) look(ctx context.Context) error {
	return asBusy(readOnly(ctx, a.conn, func(tx pgx.Tx) error {
		if err := setTimeout(ctx, tx, "lock_timeout", min(lockWait, a.left())); err != nil {
			return err
		}
		changes, err := a.plan(ctx, tx)
		a.needed = len(changes) > 0
		return err
	}))
}

// await prepares the next attempt. It returns the error if there is no time for one.
func (a *attempts) await(ctx context.Context, busy *BusyError) error {
	if err := busy.findHolders(ctx, a.conn); err != nil {
		return err
	}
	grew := a.adjustWait(busy)
	busy.Waited, busy.Left = time.Since(a.started), a.left()
	if time.Since(a.started) >= a.options.lockTimeout && !grew {
		return busy
	}
	a.options.waiting(busy)
	if err := a.awaitVacuum(ctx, busy); err != nil {
		return err
	}
	return backoff.Sleep(ctx, min(backoff.Pause(firstPause, lastPause, a.attempts-1), a.left()))
}

// adjustWait sets the wait of the next attempt. It grows if time ran out although no transaction uses the tables: fast,
// since an attempt on a machine so slow takes seconds. It reports whether it grew.
func (a *attempts) adjustWait(busy *BusyError) bool {
	before := a.wait
	switch {
	case busy.queued: // the attempt did not come to the tables
	case len(busy.Holders) > 0 || !isCode(busy.err, queryCanceled):
		a.wait = a.options.lockWait
	default:
		a.wait = min(4*a.wait, longestWait)
	}
	return a.wait > before
}

// lockLimit returns the time that the attempt has for its table locks. Once it has grown, the lock timeout does not
// shorten it: one that is over has ended the waiting for others, not the work.
func (a *attempts) lockLimit() time.Duration {
	if a.wait > a.options.lockWait {
		return a.wait
	}
	return min(a.wait, a.left())
}

// left returns the rest of the lock timeout, at least a millisecond: PostgreSQL takes 0 for no limit.
func (a *attempts) left() time.Duration {
	return max(a.options.lockTimeout-time.Since(a.started), time.Millisecond)
}

// awaitVacuum waits for the vacuums among the holders. PostgreSQL cancels an autovacuum for a session that
// has waited for deadlock_timeout (1 s), which an attempt never does. The lock requested here conflicts
// with a vacuum but not with reads and writes, so none of those waits behind it.
func (a *attempts) awaitVacuum(ctx context.Context, busy *BusyError) error {
	for _, h := range busy.Holders {
		if h.mode != "ShareUpdateExclusiveLock" {
			continue
		}
		err := pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, bounds.TransactionSQL); err != nil {
				return err
			}
			if err := setTimeout(ctx, tx, "lock_timeout", a.left()); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "lock table only "+h.Table.String()+" in share update exclusive mode")
			return err
		})
		if err != nil && !isBusy(err) && !isCode(err, insufficientPrivilege) && !isCode(err, undefinedTable) {
			return fmt.Errorf("wait for the vacuum of %s: %w", h.Table, err)
		}
	}
	return nil
}
