package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Every write is one data-modifying statement, whatever number of tables it concerns. Statement
// triggers fire when their statement is done, so each event that comes of it shows the final
// state. A statement is joined from the parts below: one that had all of them would fire the
// triggers of tables that it does not change.

// The status is what the table's default would be: insert has no word for "this, or the default".
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

const lockSQL = `
select true
from public.activities as a
where a.id = @id::uuid
for update`

// What the activity was before the statement: none of its parts sees what another does.
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

// Who has assigned it, and when, stays what it was if the assignee does.
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

// The lock makes it wait for whoever is changing the activity: both events show all of it, and the
// later one must not show it without what the other has done. After a delete it finds nothing, in
// place of an error about a foreign key.
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

// write runs f in a transaction, which is READ COMMITTED whatever the database's default is:
// after it has waited for a lock, it must see what the one it waited for has done.
func (s *activityStore) write(ctx context.Context, f txFunc) error {
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	return s.transact(ctx, options, f)
}

// writeLocked is write for an activity that nobody else changes meanwhile, nor its assignment.
// The lock is a statement of its own, so that the next one begins with what is committed by then:
// it compares new values to old ones, and those must not be older than the lock.
func (s *activityStore) writeLocked(ctx context.Context, id string, f txFunc) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, lockSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("lock activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNoActivity()
		}
		return f(ctx, tx)
	})
}

// create inserts an activity, and its assignment if it has one.
func (s *activityStore) create(ctx context.Context, in newActivity) (created activity, err error) {
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
			return fmt.Errorf("create activity: %w", err)
		}
		created, err = getActivity(ctx, tx, id)
		return err
	})
	return created, err
}

// change makes a change and returns the activity as it is then.
func (s *activityStore) change(ctx context.Context, id string, c activityChange) (changed activity, err error) {
	args := pgx.NamedArgs{
		"id": id, "category": c.category, "subcategory": c.subcategory, "location": c.location, "status": c.status,
		"assigned_to": c.assignedTo, "assigned_by": c.assignedBy, "unassigns": c.unassigns,
		"notes": c.notes, "author_id": c.authorID, "update_type": c.updateType,
	}
	err = s.writeLocked(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, c.statement(), args); err != nil {
			return fmt.Errorf("change activity: %w", err)
		}
		changed, err = getActivity(ctx, tx, id)
		return err
	})
	return changed, err
}

// statement returns the one statement that makes the change.
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
func (s *activityStore) unassign(ctx context.Context, id string) error {
	return s.writeLocked(ctx, id, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, unassignSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("unassign activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return &Problem{Status: http.StatusNotFound, Detail: "this activity is not assigned to anyone"}
		}
		return nil
	})
}

// remove deletes an activity, with its assignment and its notes.
func (s *activityStore) remove(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, removeSQL, pgx.NamedArgs{"id": id})
		if err != nil {
			return fmt.Errorf("remove activity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNoActivity()
		}
		return nil
	})
}

// addNote appends a note to an activity.
func (s *activityStore) addNote(ctx context.Context, id string, in newNote) (added note, err error) {
	args := pgx.NamedArgs{"id": id, "notes": in.notes, "author_id": in.authorID, "update_type": in.updateType}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		notes, err := collect(ctx, tx, scanNote, addNoteSQL, args)
		if err != nil {
			return fmt.Errorf("add note: %w", err)
		}
		if len(notes) == 0 {
			return errNoActivity()
		}
		added = notes[0]
		return nil
	})
	return added, err
}
