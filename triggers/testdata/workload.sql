create or replace function pgherald."public.activities.row"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    inserted_key pg_catalog.text;
    inserted_data pg_catalog.json;
    updated_key pg_catalog.text;
    updated_data pg_catalog.json;
    updated_was pg_catalog.json;
    deleted_was pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    -- The collection activities a208ebf36f94e49d.
    -- A row that did not change gives no event. *= compares row images, since not every type has an
    -- equality operator.
    if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
        return null;
    end if;
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) 'public.activities'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table public.activities was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(new.id::pg_catalog.text operator(pg_catalog.<>) old.id::pg_catalog.text collate pg_catalog."C", true)
                and 'public.activities'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
            declare
                n alias for old;
            begin
                -- The fields by which clients filter and which the data lacks.
                deleted_was = case when 'public.activities'::pg_catalog.regclass is not null then
                    pg_catalog.concat('{', pg_catalog.concat_ws(',',
                        pg_catalog.concat('"category":', coalesce(pg_catalog.to_json(pg_catalog.left(old.category, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"subcategory":', coalesce(pg_catalog.to_json(pg_catalog.left(old.subcategory, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"location":', coalesce(pg_catalog.to_json(pg_catalog.left(old.location, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"status":', coalesce(pg_catalog.to_json(pg_catalog.left(old.status, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"reporter":', coalesce(pg_catalog.to_json(pg_catalog.left(old.reporter, 1001))::pg_catalog.text, 'null'))
                    ), '}')::pg_catalog.json
                end;
                select
                    n.id::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into deleted_key, deleted_data
                from (
                    select
                        n.id as id,
                        to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
                ) as payload
                where 'public.activities'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
            declare
                n alias for new;
            begin
                select
                    n.id::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into inserted_key, inserted_data
                from (
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
                where 'public.activities'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
                o alias for old;
            begin
                -- The former values of the fields by which clients filter.
                if row(new.category, new.location, new.reporter, new.status, new.subcategory)::pg_catalog.record
                    operator(pg_catalog.*<>) row(old.category, old.location, old.reporter, old.status, old.subcategory)::pg_catalog.record
                    and 'public.activities'::pg_catalog.regclass is not null
                then
                    updated_was = case when 'public.activities'::pg_catalog.regclass is not null then
                        pg_catalog.concat('{', pg_catalog.concat_ws(',',
                            case when new.category operator(pg_catalog.<>) old.category collate pg_catalog."C" or (new.category is null) operator(pg_catalog.<>) (old.category is null)
                                then pg_catalog.concat('"category":', coalesce(pg_catalog.to_json(pg_catalog.left(old.category, 1001))::pg_catalog.text, 'null')) end,
                            case when new.subcategory operator(pg_catalog.<>) old.subcategory collate pg_catalog."C" or (new.subcategory is null) operator(pg_catalog.<>) (old.subcategory is null)
                                then pg_catalog.concat('"subcategory":', coalesce(pg_catalog.to_json(pg_catalog.left(old.subcategory, 1001))::pg_catalog.text, 'null')) end,
                            case when new.location operator(pg_catalog.<>) old.location collate pg_catalog."C" or (new.location is null) operator(pg_catalog.<>) (old.location is null)
                                then pg_catalog.concat('"location":', coalesce(pg_catalog.to_json(pg_catalog.left(old.location, 1001))::pg_catalog.text, 'null')) end,
                            case when new.status operator(pg_catalog.<>) old.status collate pg_catalog."C" or (new.status is null) operator(pg_catalog.<>) (old.status is null)
                                then pg_catalog.concat('"status":', coalesce(pg_catalog.to_json(pg_catalog.left(old.status, 1001))::pg_catalog.text, 'null')) end,
                            case when new.reporter operator(pg_catalog.<>) old.reporter collate pg_catalog."C" or (new.reporter is null) operator(pg_catalog.<>) (old.reporter is null)
                                then pg_catalog.concat('"reporter":', coalesce(pg_catalog.to_json(pg_catalog.left(old.reporter, 1001))::pg_catalog.text, 'null')) end
                        ), '}')::pg_catalog.json
                    end;
                end if;
                select
                    n.id::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into updated_key, updated_data
                from (
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
                where 'public.activities'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        begin
            failed_key = case
                when key_changed then null
                when tg_op operator(pg_catalog.=) 'DELETE' then old.id::pg_catalog.text
                else new.id::pg_catalog.text
            end;
        exception when others or assert_failure then
            failed_key = null;
        end;
        perform pgherald.reset_collection('public.activities', failed_key, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data, was)
            values ('activity_deleted', deleted_key, null, deleted_data, deleted_was);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('activity_created', inserted_key, null, inserted_data);
            written = true;
        end if;
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data, was)
            values ('activity_updated', updated_key, null, updated_data, updated_was);
            written = true;
        end if;
    end if;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.activities',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.row"() from public;

create or replace function pgherald."public.activities.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    gone public.activities;
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    deleted_was pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    for gone in select * from only public.activities loop
        failed = null;
        -- An expression that raises an error must not fail the write. Nothing is written in this block.
        begin
            declare
                n alias for gone;
            begin
                -- The fields by which clients filter and which the data lacks.
                deleted_was = case when 'public.activities'::pg_catalog.regclass is not null then
                    pg_catalog.concat('{', pg_catalog.concat_ws(',',
                        pg_catalog.concat('"category":', coalesce(pg_catalog.to_json(pg_catalog.left(gone.category, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"subcategory":', coalesce(pg_catalog.to_json(pg_catalog.left(gone.subcategory, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"location":', coalesce(pg_catalog.to_json(pg_catalog.left(gone.location, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"status":', coalesce(pg_catalog.to_json(pg_catalog.left(gone.status, 1001))::pg_catalog.text, 'null')),
                        pg_catalog.concat('"reporter":', coalesce(pg_catalog.to_json(pg_catalog.left(gone.reporter, 1001))::pg_catalog.text, 'null'))
                    ), '}')::pg_catalog.json
                end;
                select
                    n.id::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into deleted_key, deleted_data
                from (
                    select
                        n.id as id,
                        to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp"
                ) as payload
                where 'public.activities'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        exception when others or assert_failure then
            failed = sqlstate;
        end;
        if failed is not null then
            begin
                failed_key = gone.id::pg_catalog.text;
            exception when others or assert_failure then
                failed_key = null;
            end;
            perform pgherald.reset_collection('public.activities', failed_key, failed);
            written = true;
        else
            if deleted_data is not null then
                insert into pgherald.events (type, key, audience, data, was)
                values ('activity_deleted', deleted_key, null, deleted_data, deleted_was);
                written = true;
            end if;
        end if;
    end loop;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.activities',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activities.truncate"() from public;

create or replace function pgherald."public.assignments.row"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
    deleted_key pg_catalog.text[];
    deleted_data pg_catalog.json[];
    deleted2_key pg_catalog.text[];
    deleted2_data pg_catalog.json[];
    inserted_key pg_catalog.text[];
    inserted_data pg_catalog.json[];
    inserted2_key pg_catalog.text[];
    inserted2_data pg_catalog.json[];
    updated_key pg_catalog.text[];
    updated_data pg_catalog.json[];
    updated2_key pg_catalog.text[];
    updated2_data pg_catalog.json[];
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    -- A row that did not change gives no event. *= compares row images, since not every type has an
    -- equality operator.
    if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
        return null;
    end if;
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) 'public.assignments'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table public.assignments was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(new.activity_id::pg_catalog.text operator(pg_catalog.<>) old.activity_id::pg_catalog.text collate pg_catalog."C", true)
                and 'public.assignments'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
            declare
                n alias for old;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into deleted_key, deleted_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into deleted2_key, deleted2_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted2_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
            declare
                n alias for new;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into inserted_key, inserted_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into inserted2_key, inserted2_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted2_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
                o alias for old;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated_key, updated_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null
                    and (n.assignee_id is distinct from o.assignee_id);
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated2_key, updated2_data
                from (select) as row
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
                where 'public.assignments'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated2_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        begin
            failed_key = case
                when key_changed then null
                when tg_op operator(pg_catalog.=) 'DELETE' then old.activity_id::pg_catalog.text
                else new.activity_id::pg_catalog.text
            end;
        exception when others or assert_failure then
            failed_key = null;
        end;
        perform pgherald.reset_collection('public.assignments', failed_key, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'assignment_changed', event.key, null, event.data
            from unnest(deleted_key, deleted_data) as event (key, data);
            written = true;
        end if;
        if deleted2_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(deleted2_key, deleted2_data) as event (key, data);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'assignment_changed', event.key, null, event.data
            from unnest(inserted_key, inserted_data) as event (key, data);
            written = true;
        end if;
        if inserted2_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(inserted2_key, inserted2_data) as event (key, data);
            written = true;
        end if;
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'assignment_changed', event.key, null, event.data
            from unnest(updated_key, updated_data) as event (key, data);
            written = true;
        end if;
        if updated2_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(updated2_key, updated2_data) as event (key, data);
            written = true;
        end if;
    end if;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.assignments',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.row"() from public;

create or replace function pgherald."public.assignments.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'public.assignments' as "table") as payload;
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.assignments',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.assignments.truncate"() from public;

create or replace function pgherald."public.activity_updates.row"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
    deleted_key pg_catalog.text[];
    deleted_data pg_catalog.json[];
    inserted_key pg_catalog.text[];
    inserted_data pg_catalog.json[];
    updated_key pg_catalog.text[];
    updated_data pg_catalog.json[];
    failed pg_catalog.text;
begin
    -- A row that did not change gives no event. *= compares row images, since not every type has an
    -- equality operator.
    if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
        return null;
    end if;
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) 'public.activity_updates'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table public.activity_updates was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(new.id::pg_catalog.text operator(pg_catalog.<>) old.id::pg_catalog.text collate pg_catalog."C", true)
                and 'public.activity_updates'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
            declare
                n alias for old;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into deleted_key, deleted_data
                from (select) as row
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
                where 'public.activity_updates'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(deleted_key) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
            declare
                n alias for new;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into inserted_key, inserted_data
                from (select) as row
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
                where 'public.activity_updates'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(inserted_key) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
            begin
                select
                    array_agg(n.activity_id::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated_key, updated_data
                from (select) as row
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
                where 'public.activity_updates'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated_key) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        perform pgherald.reset_collection('public.activity_updates', null, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(deleted_key, deleted_data) as event (key, data);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(inserted_key, inserted_data) as event (key, data);
            written = true;
        end if;
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'activity_updated', event.key, null, event.data
            from unnest(updated_key, updated_data) as event (key, data);
            written = true;
        end if;
    end if;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.activity_updates',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.row"() from public;

create or replace function pgherald."public.activity_updates.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'public.activity_updates' as "table") as payload;
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.activity_updates',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.activity_updates.truncate"() from public;

drop trigger if exists "00_pgherald" on public.activities;
create trigger "00_pgherald"
after insert or update or delete on public.activities
for each row
execute function pgherald."public.activities.row"();

drop trigger if exists pgherald_truncate on public.activities;
create trigger pgherald_truncate
before truncate on public.activities
for each statement
execute function pgherald."public.activities.truncate"();

drop trigger if exists "00_pgherald" on public.assignments;
create trigger "00_pgherald"
after insert or update or delete on public.assignments
for each row
execute function pgherald."public.assignments.row"();

drop trigger if exists pgherald_truncate on public.assignments;
create trigger pgherald_truncate
after truncate on public.assignments
for each statement
execute function pgherald."public.assignments.truncate"();

drop trigger if exists "00_pgherald" on public.activity_updates;
create trigger "00_pgherald"
after insert or update or delete on public.activity_updates
for each row
execute function pgherald."public.activity_updates.row"();

drop trigger if exists pgherald_truncate on public.activity_updates;
create trigger pgherald_truncate
after truncate on public.activity_updates
for each statement
execute function pgherald."public.activity_updates.truncate"();
