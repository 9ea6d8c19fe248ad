create or replace function pgherald."public.activities.insert"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select
        'activity_created',
        n.id::text,
        null::text[],
        to_json(payload.*)
    from new_rows as n
    cross join lateral (
        select
            n.id as id,
            n.category as category,
            n.subcategory as subcategory,
            n.location as location,
            n.status as status,
            n.reporter as reporter,
            (
                select s.assignee_id
                from public.assignments as s
                where s.activity_id = n.id
            ) as "assignedTo",
            to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activities',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.insert"() from public;

create or replace function pgherald."public.activities.update"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    -- Fast path: one row, and its key did not change.
    if not exists (select from new_rows offset 1) then
        insert into pgherald.events (type, key, audience, data)
        select
            'activity_updated',
            n.id::text,
            null::text[],
            to_json(payload.*)
        from new_rows as n
        cross join old_rows as o
        cross join lateral (
            select
                n.id as id,
                n.category as category,
                n.subcategory as subcategory,
                n.location as location,
                n.status as status,
                n.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = n.id
                ) as "assignedTo",
                (case when n.status is distinct from o.status then 'status' else 'general' end) as "updateType",
                (
                    select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                    from public.activity_updates as u
                    where u.activity_id = n.id
                    order by u.id desc
                    limit 1
                ) as "latestUpdate",
                to_char(n.updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
        where n.id = o.id
            and n.* *<> o.*;
        get diagnostics written = row_count;
    end if;
    if written = 0 then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        -- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
        -- one row is also good for an update of many rows.
        full join old_rows on new_rows.id = old_rows.id
        cross join lateral (
            -- The row changed.
            select
                'activity_updated',
                n.id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            cross join lateral (
                select
                    n.id as id,
                    n.category as category,
                    n.subcategory as subcategory,
                    n.location as location,
                    n.status as status,
                    n.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = n.id
                    ) as "assignedTo",
                    (case when n.status is distinct from o.status then 'status' else 'general' end) as "updateType",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = n.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(n.updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where num_nulls(new_rows.id, old_rows.id) = 0
            union all
            -- The key changed: this row has the new key.
            select
                'activity_created',
                n.id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join lateral (
                select
                    n.id as id,
                    n.category as category,
                    n.subcategory as subcategory,
                    n.location as location,
                    n.status as status,
                    n.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = n.id
                    ) as "assignedTo",
                    to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where old_rows.id is null
            union all
            -- The key changed: this row had the old key.
            select
                'activity_deleted',
                n.id::text,
                null::text[],
                to_json(payload.*)
            from (select old_rows.*) as n
            cross join lateral (
                select
                    n.id as id,
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.id is null
        ) as event (type, key, audience, data)
        -- Skip rows that did not change. *<> compares row images, since not every type has an equality
        -- operator. A strict condition here would turn the full join into an inner join.
        where (new_rows.* *<> old_rows.*) is distinct from false;
        get diagnostics written = row_count;
    end if;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activities',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.update"() from public;

create or replace function pgherald."public.activities.delete"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select
        'activity_deleted',
        n.id::text,
        null::text[],
        to_json(payload.*)
    from old_rows as n
    cross join lateral (
        select
            n.id as id,
            to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activities',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.delete"() from public;

create or replace function pgherald."public.activities.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    with old_rows as (select * from only public.activities)
    insert into pgherald.events (type, key, audience, data)
    select
        'activity_deleted',
        n.id::text,
        null::text[],
        to_json(payload.*)
    from old_rows as n
    cross join lateral (
        select
            n.id as id,
            to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activities',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.truncate"() from public;

create or replace function pgherald."public.assignments.insert"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select event.type, event.key, event.audience, event.data
    from new_rows
    cross join lateral (
        select
            'assignment_changed',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select new_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                n.assignee_id as "newAssigneeId",
                to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
        union all
        select
            'activity_updated',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select new_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                'assignment' as "updateType",
                (
                    select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                    from public.activity_updates as u
                    where u.activity_id = a.id
                    order by u.id desc
                    limit 1
                ) as "latestUpdate",
                to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
    ) as event (type, key, audience, data);
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.assignments',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.insert"() from public;

create or replace function pgherald."public.assignments.update"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    -- Fast path: one row, and its key did not change.
    if not exists (select from new_rows offset 1) then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        cross join old_rows
        cross join lateral (
            select
                'assignment_changed',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    o.assignee_id as "oldAssigneeId",
                    n.assignee_id as "newAssigneeId",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.activity_id = old_rows.activity_id
                and (n.assignee_id is distinct from o.assignee_id)
            union all
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp",
                    (case when n.assignee_id is distinct from o.assignee_id then 'assignment' else 'general' end) as "updateType"
            ) as payload
            where new_rows.activity_id = old_rows.activity_id
        ) as event (type, key, audience, data)
        where new_rows.* *<> old_rows.*;
        get diagnostics written = row_count;
    end if;
    if written = 0 then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        -- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
        -- one row is also good for an update of many rows.
        full join old_rows on new_rows.activity_id = old_rows.activity_id
        cross join lateral (
            -- The row changed.
            select
                'assignment_changed',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    o.assignee_id as "oldAssigneeId",
                    n.assignee_id as "newAssigneeId",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where num_nulls(new_rows.activity_id, old_rows.activity_id) = 0
                and (n.assignee_id is distinct from o.assignee_id)
            union all
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp",
                    (case when n.assignee_id is distinct from o.assignee_id then 'assignment' else 'general' end) as "updateType"
            ) as payload
            where num_nulls(new_rows.activity_id, old_rows.activity_id) = 0
            union all
            -- The key changed: this row has the new key.
            select
                'assignment_changed',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    n.assignee_id as "newAssigneeId",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where old_rows.activity_id is null
            union all
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    'assignment' as "updateType",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(n.assigned_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where old_rows.activity_id is null
            union all
            -- The key changed: this row had the old key.
            select
                'assignment_changed',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select old_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    n.assignee_id as "oldAssigneeId",
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.activity_id is null
            union all
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select old_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    'assignment' as "updateType",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.activity_id is null
        ) as event (type, key, audience, data)
        -- Skip rows that did not change. *<> compares row images, since not every type has an equality
        -- operator. A strict condition here would turn the full join into an inner join.
        where (new_rows.* *<> old_rows.*) is distinct from false;
        get diagnostics written = row_count;
    end if;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.assignments',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.update"() from public;

create or replace function pgherald."public.assignments.delete"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select event.type, event.key, event.audience, event.data
    from old_rows
    cross join lateral (
        select
            'assignment_changed',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select old_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                n.assignee_id as "oldAssigneeId",
                to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
        union all
        select
            'activity_updated',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select old_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                'assignment' as "updateType",
                (
                    select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                    from public.activity_updates as u
                    where u.activity_id = a.id
                    order by u.id desc
                    limit 1
                ) as "latestUpdate",
                to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
    ) as event (type, key, audience, data);
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.assignments',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.delete"() from public;

create or replace function pgherald."public.assignments.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'public.assignments' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.assignments',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.truncate"() from public;

create or replace function pgherald."public.activity_updates.insert"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select event.type, event.key, event.audience, event.data
    from new_rows
    cross join lateral (
        select
            'activity_updated',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select new_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                n.update_type as "updateType",
                (
                    select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                    from public.activity_updates as u
                    where u.activity_id = a.id
                    order by u.id desc
                    limit 1
                ) as "latestUpdate",
                to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
        -- An optimization fence: the planner must plan this subquery for one row.
        offset 0
    ) as event (type, key, audience, data);
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activity_updates',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.insert"() from public;

create or replace function pgherald."public.activity_updates.update"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    -- Fast path: one row, and its key did not change.
    if not exists (select from new_rows offset 1) then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        cross join old_rows
        cross join lateral (
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    'general' as "updateType",
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.id = old_rows.id
            -- An optimization fence: the planner must plan this subquery for one row.
            offset 0
        ) as event (type, key, audience, data)
        where new_rows.* *<> old_rows.*;
        get diagnostics written = row_count;
    end if;
    if written = 0 then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        -- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
        -- one row is also good for an update of many rows.
        full join old_rows on new_rows.id = old_rows.id
        cross join lateral (
            -- The row changed.
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    'general' as "updateType",
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where num_nulls(new_rows.id, old_rows.id) = 0
            union all
            -- The key changed: this row has the new key.
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    n.update_type as "updateType",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where old_rows.id is null
            union all
            -- The key changed: this row had the old key.
            select
                'activity_updated',
                n.activity_id::text,
                null::text[],
                to_json(payload.*)
            from (select old_rows.*) as n
            join public.activities as a on a.id = n.activity_id
            cross join lateral (
                select
                    a.id as id,
                    a.category as category,
                    a.subcategory as subcategory,
                    a.location as location,
                    a.status as status,
                    a.reporter as reporter,
                    (
                        select s.assignee_id
                        from public.assignments as s
                        where s.activity_id = a.id
                    ) as "assignedTo",
                    (
                        select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                        from public.activity_updates as u
                        where u.activity_id = a.id
                        order by u.id desc
                        limit 1
                    ) as "latestUpdate",
                    'general' as "updateType",
                    to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
            ) as payload
            where new_rows.id is null
        ) as event (type, key, audience, data)
        -- Skip rows that did not change. *<> compares row images, since not every type has an equality
        -- operator. A strict condition here would turn the full join into an inner join.
        where (new_rows.* *<> old_rows.*) is distinct from false;
        get diagnostics written = row_count;
    end if;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activity_updates',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.update"() from public;

create or replace function pgherald."public.activity_updates.delete"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select event.type, event.key, event.audience, event.data
    from old_rows
    cross join lateral (
        select
            'activity_updated',
            n.activity_id::text,
            null::text[],
            to_json(payload.*)
        from (select old_rows.*) as n
        join public.activities as a on a.id = n.activity_id
        cross join lateral (
            select
                a.id as id,
                a.category as category,
                a.subcategory as subcategory,
                a.location as location,
                a.status as status,
                a.reporter as reporter,
                (
                    select s.assignee_id
                    from public.assignments as s
                    where s.activity_id = a.id
                ) as "assignedTo",
                (
                    select json_build_object('notes', u.notes, 'authorId', u.author_id, 'updateType', u.update_type)
                    from public.activity_updates as u
                    where u.activity_id = a.id
                    order by u.id desc
                    limit 1
                ) as "latestUpdate",
                'general' as "updateType",
                to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
        ) as payload
        -- An optimization fence: the planner must plan this subquery for one row.
        offset 0
    ) as event (type, key, audience, data);
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activity_updates',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.delete"() from public;

create or replace function pgherald."public.activity_updates.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'public.activity_updates' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.activity_updates',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.truncate"() from public;

drop trigger if exists pgherald_insert on public.activities;
create trigger pgherald_insert
after insert on public.activities
referencing new table as new_rows
for each statement
execute function pgherald."public.activities.insert"();

drop trigger if exists pgherald_update on public.activities;
create trigger pgherald_update
after update on public.activities
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."public.activities.update"();

drop trigger if exists pgherald_delete on public.activities;
create trigger pgherald_delete
after delete on public.activities
referencing old table as old_rows
for each statement
execute function pgherald."public.activities.delete"();

drop trigger if exists pgherald_truncate on public.activities;
create trigger pgherald_truncate
before truncate on public.activities
for each statement
execute function pgherald."public.activities.truncate"();

drop trigger if exists pgherald_insert on public.assignments;
create trigger pgherald_insert
after insert on public.assignments
referencing new table as new_rows
for each statement
execute function pgherald."public.assignments.insert"();

drop trigger if exists pgherald_update on public.assignments;
create trigger pgherald_update
after update on public.assignments
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."public.assignments.update"();

drop trigger if exists pgherald_delete on public.assignments;
create trigger pgherald_delete
after delete on public.assignments
referencing old table as old_rows
for each statement
execute function pgherald."public.assignments.delete"();

drop trigger if exists pgherald_truncate on public.assignments;
create trigger pgherald_truncate
after truncate on public.assignments
for each statement
execute function pgherald."public.assignments.truncate"();

drop trigger if exists pgherald_insert on public.activity_updates;
create trigger pgherald_insert
after insert on public.activity_updates
referencing new table as new_rows
for each statement
execute function pgherald."public.activity_updates.insert"();

drop trigger if exists pgherald_update on public.activity_updates;
create trigger pgherald_update
after update on public.activity_updates
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."public.activity_updates.update"();

drop trigger if exists pgherald_delete on public.activity_updates;
create trigger pgherald_delete
after delete on public.activity_updates
referencing old table as old_rows
for each statement
execute function pgherald."public.activity_updates.delete"();

drop trigger if exists pgherald_truncate on public.activity_updates;
create trigger pgherald_truncate
after truncate on public.activity_updates
for each statement
execute function pgherald."public.activity_updates.truncate"();
