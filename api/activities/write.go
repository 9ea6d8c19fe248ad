package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Every change is one data-modifying statement, however many tables it changes. Statement triggers fire at the end of
// the statement, so every event shows the final state. The statement contains only those of the parts below that it
// needs, because a data-modifying part fires the triggers of its table even if it changes no row.

// createdPart repeats the default of the column status, because INSERT cannot express "this value, or the default".
const createdPart = `created as (
    insert into public.activities (category, subcategory, location, status, reporter)
    values (@category::text, @subcategory::text, @location::text, coalesce(@status::text, 'open'), @reporter::text)
    returning id
)`

const assignedAtOncePart = `assigned as (
    insert into public.assignments (activity_id, assignee_id)
    select c.id, @assigned_to::text
    from created as c
)`

// beforePart reads the activity as it was before the statement: all parts share one snapshot.
const beforePart = `before as (
    select a.id, a.status, s.assignee_id
    from public.activities as a
    left join public.assignments as s on s.activity_id = a.id
    where a.id = @id::uuid
)`

const editedPart = `edited as (
    update public.activities as a
    set
        category = coalesce(@category::text, a.category),
        subcategory = coalesce(@subcategory::text, a.subcategory),
        location = coalesce(@location::text, a.location),
        status = coalesce(@status::text, a.status)
    where a.id = @id::uuid
        and (
            @category::text <> a.category
            or @subcategory::text <> a.subcategory
            or @location::text <> a.location
            or @status::text <> a.status
        )
)`

// assignedPart keeps assigned_by and assigned_at if the assignee does not change.
const assignedPart = `assigned as (
    insert into public.assignments as s (activity_id, assignee_id, assigned_by)
    select b.id, @assigned_to::text, @assigned_by::text
    from before as b
    on conflict (activity_id) do update
    set
        assignee_id = excluded.assignee_id,
        assigned_by = excluded.assigned_by,
        assigned_at = excluded.assigned_at
    where s.assignee_id <> excluded.assignee_id
)`

const unassignedPart = `unassigned as (
    delete from public.assignments as s
    where s.activity_id = @id::uuid
)`

const notedPart = `noted as (
    insert into public.activity_updates (activity_id, author_id, notes, update_type)
    select
        b.id,
        @author_id::text,
        @notes::text,
        coalesce(
            @update_type::text,
            case
                when @status::text <> b.status then 'status'
                when @assigned_to::text is distinct from b.assignee_id
                    and (@assigned_to::text is not null or @unassigns::boolean) then 'assignment'
                else 'general'
            end
        )
    from before as b
)`

const unassignSQL = `
delete from public.assignments as s
where s.activity_id = @id::uuid`

const removeSQL = `
delete from public.activities as a
where a.id = @id::uuid`

// addNoteSQL adds a note. It locks the activity, and so waits for a transaction that is changing it: the events of both show
// the whole activity, and the later event must include the earlier change. If that transaction deletes the activity,
// addNoteSQL finds no row; without the lock, the foreign key would raise an error.
const addNoteSQL = `
insert into public.activity_updates as u (activity_id, author_id, notes, update_type)
select a.id, @author_id::text, @notes::text, coalesce(@update_type::text, 'general')
from (
    select a.id
    from public.activities as a
    where a.id = @id::uuid
    for no key update
) as a
returning` + noteColumns

// create inserts an activity, and its assignment if it has one.
func (s *store) create(ctx context.Context, in newActivity) (created activity, err error) {
	parts := []string{createdPart}
	if in.assignedTo != nil {
		parts = append(parts, assignedAtOncePart)
	}
	sql := "with " + strings.Join(parts, ", ") + "\nselect c.id::text from created as c"
	args := pgx.NamedArgs{
		"category": in.category, "subcategory": in.subcategory, "location": in.location,
		"status": in.status, "reporter": in.reporter, "assigned_to": in.assignedTo,
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var id string
		if err := tx.QueryRow(ctx, sql, args).Scan(&id); err != nil {
			return fmt.Errorf("create the activity: %w", err)
		}
		created, err = getActivity(ctx, tx, id)
		return err
	})
	return created, err
}

// change makes a change and returns the changed activity.
func (s *store) change(ctx context.Context, id string, c activityChange) (changed activity, err error) {
	args := pgx.NamedArgs{
		"id": id, "category": c.category, "subcategory": c.subcategory, "location": c.location, "status": c.status,
		"assigned_to": c.assignedTo, "assigned_by": c.assignedBy, "unassigns": c.unassigns,
		"notes": c.notes, "author_id": c.authorID, "update_type": c.updateType,
	}
	err = s.writeLocked(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, c.statement(), args); err != nil {
			return fmt.Errorf("change the activity: %w", err)
		}
		changed, err = getActivity(ctx, tx, id)
		return err
	})
	return changed, err
}

// statement returns the statement that makes the change.
func (c *activityChange) statement() string {
	parts := []string{beforePart}
	if c.edits() {
		parts = append(parts, editedPart)
	}
	if c.unassigns {
		parts = append(parts, unassignedPart)
	}
	if c.assignedTo != nil {
		parts = append(parts, assignedPart)
	}
	if c.notes != nil {
		parts = append(parts, notedPart)
	}
	return "with " + strings.Join(parts, ", ") + "\nselect from before"
}

// unassign deletes the assignment of an activity.
func (s *store) unassign(ctx context.Context, id string) error {
	return s.writeLocked(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, unassignSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("unassign the activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNotAssigned()
		}
		return nil
	})
}

// remove deletes an activity; the foreign keys delete its assignment and its notes.
func (s *store) remove(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, removeSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("remove the activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNoActivity()
		}
		return nil
	})
}

// addNote appends a note to an activity.
func (s *store) addNote(ctx context.Context, id string, in newNote) (added note, err error) {
	args := pgx.NamedArgs{"id": id, "notes": in.notes, "author_id": in.authorID, "update_type": in.updateType}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		notes, err := collect(ctx, tx, scanNote, addNoteSQL, args)
		if err != nil {
			return fmt.Errorf("add the note: %w", err)
		}
		if len(notes) == 0 {
			return errNoActivity()
		}
		added = notes[0]
		return nil
	})
	return added, err
}
