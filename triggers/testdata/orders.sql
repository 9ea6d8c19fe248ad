create or replace function pgherald."public.orders.row"() returns trigger
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
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
begin
    if tg_op operator(pg_catalog.=) 'UPDATE' then
        -- Skip a row that did not change. *= compares row images, since not every type has an equality
        -- operator.
        if new operator(pg_catalog.*=) old then
            return null;
        end if;
        key_changed = new.id::pg_catalog.text operator(pg_catalog.<>) old.id::pg_catalog.text collate pg_catalog."C"
            and 'public.orders'::pg_catalog.regclass is not null;
    end if;
    if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
        declare
            n alias for old;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'order_deleted',
                n.id::pg_catalog.text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                pg_catalog.to_json(payload.*)
            from (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
            ) as payload
            where 'public.orders'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end if;
    if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
        declare
            n alias for new;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'order_created',
                n.id::pg_catalog.text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                pg_catalog.to_json(payload.*)
            from (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
            ) as payload
            where 'public.orders'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end if;
    if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
        declare
            n alias for new;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'order_updated',
                n.id::pg_catalog.text,
                coalesce((array['user:' || n.customer_id]), '{}'),
                pg_catalog.to_json(payload.*)
            from (
                select
                    n.id as id,
                    n.status as status,
                    n.total as total
            ) as payload
            where 'public.orders'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end if;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.orders',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.row"() from public;

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
    written pg_catalog.bool = false;

begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'public.orders' as "table") as payload;
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.orders',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.orders.truncate"() from public;

drop trigger if exists "00_pgherald" on public.orders;
create trigger "00_pgherald"
after insert or update or delete on public.orders
for each row
execute function pgherald."public.orders.row"();

drop trigger if exists pgherald_truncate on public.orders;
create trigger pgherald_truncate
after truncate on public.orders
for each statement
execute function pgherald."public.orders.truncate"();
