package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api/auth"
)

// transactionTimeout bounds every use of a connection, so that a row which somebody keeps locked
// cannot use up all of them.
const transactionTimeout = 10 * time.Second

// activityStore is the SQL of the API, for reads in this file and for writes in
// activity_write.go. What does not exist is a Problem with status 404.
type activityStore struct {
	pool *pgxpool.Pool
	head Head
	user auth.Identity // on whose behalf; anonymous if nobody checks
}

// activitySQL shows activities; a condition on a (the activity) or s (its assignment) follows.
// The newest note is looked up for the rows that are shown, not for those that are filtered out.
const activitySQL = `
select
    a.id::text,
    a.category,
    a.subcategory,
    a.location,
    a.status,
    a.reporter,
    s.assignee_id,
    u.notes,
    u.author_id,
    u.update_type,
    a.created_at,
    a.updated_at
from public.activities as a
left join public.assignments as s on s.activity_id = a.id
left join lateral (
    select u.notes, u.author_id, u.update_type
    from public.activity_updates as u
    where u.activity_id = a.id
    order by u.id desc
    limit 1
) as u on true
where `

const activityByID = activitySQL + `a.id = @id::uuid`

const activityOrder = `
order by a.created_at desc, a.id desc
limit @limit::bigint`

const noteColumns = `
    u.id,
    u.activity_id::text,
    u.notes,
    u.author_id,
    u.update_type,
    u.created_at`

const notesSQL = `
select` + noteColumns + `
from public.activity_updates as u
where u.activity_id = @id::uuid
    and u.id < @before::bigint
order by u.id desc
limit @limit::bigint`

const existsSQL = `
select exists (
    select from public.activities as a where a.id = @id::uuid
)`

// txFunc is what happens in a transaction, and its context ends when that has taken too long.
type txFunc func(ctx context.Context, tx pgx.Tx) error

// read runs f in a transaction that sees one moment, and returns the stream's cursor at that
// moment. Whoever opens a stream with it gets every change that f did not see, and none that it
// did.
func (s *activityStore) read(ctx context.Context, f txFunc) (cursor string, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = s.transact(ctx, options, func(ctx context.Context, tx pgx.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		head, err := s.head(ctx, tx)
		cursor = head.String()
		return err
	})
	return cursor, err
}

func (s *activityStore) transact(ctx context.Context, options pgx.TxOptions, f txFunc) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		if err := tell(ctx, tx, s.user); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

func (s *activityStore) list(ctx context.Context, q activityQuery) (page activityPage, err error) {
	sql := activitySQL + strings.Join(q.conditions, "\n    and ") + activityOrder
	page.Cursor, err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page.Activities, err = collect(ctx, tx, scanActivity, sql, q.args)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list activities: %w", err)
	}
	if len(page.Activities) > q.limit { // one more was asked for than is shown
		page.Activities = page.Activities[:q.limit]
		page.Next, err = positionOf(page.Activities[q.limit-1])
	}
	return page, err
}

func (s *activityStore) get(ctx context.Context, id string) (found activity, cursor string, err error) {
	cursor, err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err = getActivity(ctx, tx, id)
		return err
	})
	return found, cursor, err
}

func getActivity(ctx context.Context, tx pgx.Tx, id string) (activity, error) {
	found, err := collect(ctx, tx, scanActivity, activityByID, pgx.NamedArgs{"id": id})
	if err != nil {
		return activity{}, fmt.Errorf("read activity: %w", err)
	}
	if len(found) == 0 {
		return activity{}, errNoActivity()
	}
	return found[0], nil
}

func (s *activityStore) listNotes(ctx context.Context, id string, q noteQuery) (page notePage, err error) {
	args := pgx.NamedArgs{"id": id, "before": q.before, "limit": q.limit + 1}
	page.Cursor, err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var exists bool
		if err := tx.QueryRow(ctx, existsSQL, args).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			return errNoActivity()
		}
		page.Notes, err = collect(ctx, tx, scanNote, notesSQL, args)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list notes: %w", err)
	}
	if len(page.Notes) > q.limit {
		page.Notes = page.Notes[:q.limit]
		page.Next = notePosition(page.Notes[q.limit-1].ID)
	}
	return page, nil
}

// collect runs a query and scans all its rows: an empty slice, and never nil, if there is none.
func collect[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], sql string, args pgx.NamedArgs) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}
