create or replace function pgherald."public.orders.insert"() returns trigger
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
        'order_created',
        n.id::text,
        coalesce((array['user:' || n.customer_id]), '{}'),
        to_json(payload.*)
    from new_rows as n
    cross join lateral (
        select
            n.id as id,
            n.status as status,
            n.total as total
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.orders',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.insert"() from public;

create or replace function pgherald."public.orders.update"() returns trigger
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
            'order_updated',
            n.id::text,
            coalesce((array['user:' || n.customer_id]), '{}'),
            to_json(payload.*)
        from new_rows as n
        cross join old_rows as o
        cross join lateral (
            select
                n.id as id,
                n.status as status,
                n.total as total
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
                'order_updated',
                n.id::text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join lateral (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
            ) as payload
            where num_nulls(new_rows.id, old_rows.id) = 0
            union all
            -- The key changed: this row has the new key.
            select
                'order_created',
                n.id::text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join lateral (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
            ) as payload
            where old_rows.id is null
            union all
            -- The key changed: this row had the old key.
            select
                'order_deleted',
                n.id::text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                to_json(payload.*)
            from (select old_rows.*) as n
            cross join lateral (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
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
            'table', 'public.orders',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.update"() from public;

create or replace function pgherald."public.orders.delete"() returns trigger
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
        'order_deleted',
        n.id::text,
        coalesce((array['user:' || n.customer_id]), '{}'),
        to_json(payload.*)
    from old_rows as n
    cross join lateral (
        select
            n.id as id,
            n.status as status,
            n.total as total
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.orders',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.delete"() from public;

create or replace function pgherald."public.orders.truncate"() returns trigger
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
    from (select 'public.orders' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.orders',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.truncate"() from public;

drop trigger if exists pgherald_insert on public.orders;
create trigger pgherald_insert
after insert on public.orders
referencing new table as new_rows
for each statement
execute function pgherald."public.orders.insert"();

drop trigger if exists pgherald_update on public.orders;
create trigger pgherald_update
after update on public.orders
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."public.orders.update"();

drop trigger if exists pgherald_delete on public.orders;
create trigger pgherald_delete
after delete on public.orders
referencing old table as old_rows
for each statement
execute function pgherald."public.orders.delete"();

drop trigger if exists pgherald_truncate on public.orders;
create trigger pgherald_truncate
after truncate on public.orders
for each statement
execute function pgherald."public.orders.truncate"();
