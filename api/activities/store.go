package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// transactionTimeout bounds every transaction, so that requests that wait for a locked row cannot hold all
// connections of the pool.
const transactionTimeout = 10 * time.Second

// store runs the SQL of the package: read.go has the queries, write.go the changes. For a row that does not exist
// its methods return a *problem.Problem with status 404.
type store struct {
	pools Pools
	head  Head
	user  auth.Identity // the identity for which the transactions act; anonymous without authentication
}

// txFunc is the body of a transaction. Its context ends after transactionTimeout.
type txFunc func(ctx context.Context, tx pgx.Tx) error

// read runs f on one snapshot and returns the cursor of that snapshot: a stream that continues after the cursor
// delivers exactly the changes that f did not see.
func (s *store) read(ctx context.Context, f txFunc) (cursor string, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = s.transact(ctx, s.pools.Lists, options, func(ctx context.Context, tx pgx.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		head, err := s.head(ctx, tx)
		cursor = head.String()
		return err
	})
	return cursor, err
}

// write runs f in a READ COMMITTED transaction, whatever the database's default is. After f has waited for a lock, it
// then sees what the lock's previous holder committed.
func (s *store) write(ctx context.Context, f txFunc) error {
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	return s.transact(ctx, s.pools.Writes, options, f)
}

const lockSQL = `
select true
from public.activities as a
where a.id = @id::uuid
for update`

// writeLocked runs f as write does, while no other transaction can change the activity or its assignment. It takes the
// lock in a separate statement: the next statement compares new values with old ones, so it needs a snapshot from after
// the lock.
func (s *store) writeLocked(ctx context.Context, id string, f txFunc) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, lockSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("lock the activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNoActivity()
		}
		return f(ctx, tx)
	})
}

func (s *store) transact(ctx context.Context, pool Pool, options pgx.TxOptions, f txFunc) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) error {
		if err := setUser(ctx, tx, s.user); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

// userSQL sets the user and the roles until the end of the transaction, so that the next user of the connection does
// not inherit them, even through a pooler. The roles are a JSON array, because a role's name may contain any separator.
const userSQL = `
select
    set_config('pgherald.user', @user::text, true),
    set_config('pgherald.roles', @roles::text, true)`

// setUser sets the user and the roles of the transaction, which row-level security policies and triggers can read.
func setUser(ctx context.Context, tx pgx.Tx, id auth.Identity) error {
	if id.User == "" {
		return nil
	}
	roles, err := json.Marshal(append([]string{}, id.Roles...)) // [] for no roles, never null
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, userSQL, pgx.NamedArgs{"user": id.User, "roles": string(roles)}); err != nil {
		return fmt.Errorf("set the user of the transaction: %w", err)
	}
	return nil
}

// collect runs a query and scans its rows. It returns an empty slice, never nil, if there are none.
func collect[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], sql string, args pgx.NamedArgs) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}
