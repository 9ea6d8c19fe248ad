package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// activitySQL selects activities; a condition on a (the activity) or s (its assignment) must follow. The lateral
// join looks up the newest note, only for the rows of the page.
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

func (s *store) list(ctx context.Context, q activityQuery) (page activityPage, err error) {
	sql := activitySQL + strings.Join(q.conditions, "\n    and ") + activityOrder
	page.Cursor, err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page.Activities, err = collect(ctx, tx, scanActivity, sql, q.args)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list activities: %w", err)
	}
	if len(page.Activities) > q.limit { // the query reads one row more than a page shows
		page.Activities = page.Activities[:q.limit]
		page.Next, err = positionOf(page.Activities[q.limit-1])
	}
	return page, err
}

func (s *store) get(ctx context.Context, id string) (found activity, cursor string, err error) {
	cursor, err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err = getActivity(ctx, tx, id)
		return err
	})
	return found, cursor, err
}

func getActivity(ctx context.Context, tx pgx.Tx, id string) (activity, error) {
	found, err := collect(ctx, tx, scanActivity, activityByID, pgx.NamedArgs{"id": id})
	if err != nil {
		return activity{}, fmt.Errorf("read the activity: %w", err)
	}
	if len(found) == 0 {
		return activity{}, errNoActivity()
	}
	return found[0], nil
}

func (s *store) listNotes(ctx context.Context, id string, q noteQuery) (page notePage, err error) {
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
