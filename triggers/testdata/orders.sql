create or replace function pgherald."public.orders.row"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
    deleted_key pg_catalog.text;
    deleted_audience pg_catalog.text[];
    deleted_data pg_catalog.json;
    inserted_key pg_catalog.text;
    inserted_audience pg_catalog.text[];
    inserted_data pg_catalog.json;
    updated_key pg_catalog.text;
    updated_audience pg_catalog.text[];
    updated_data pg_catalog.json;
    failed pg_catalog.text;
begin
    -- A row that did not change gives no event. *= compares row images, since not every type has an
    -- equality operator.
    if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
        return null;
    end if;
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) 'public.orders'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table public.orders was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(new.id::pg_catalog.text operator(pg_catalog.<>) old.id::pg_catalog.text collate pg_catalog."C", true)
                and 'public.orders'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
            declare
                n alias for old;
            begin
                select
                    n.id::pg_catalog.text,
                    coalesce((array['user:' || n.customer_id]), '{}'),
                    pg_catalog.to_json(payload.*)
                into deleted_key, deleted_audience, deleted_data
                from (
                    select
                        n.id as id,
                        n.status as status,
                        n.total as total
                ) as payload
                where 'public.orders'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(deleted_audience) operator(pg_catalog.>) 268435456 then
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
                    coalesce((array['user:' || n.customer_id]), '{}'),
                    pg_catalog.to_json(payload.*)
                into inserted_key, inserted_audience, inserted_data
                from (
                    select
                        n.id as id,
                        n.status as status,
                        n.total as total
                ) as payload
                where 'public.orders'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(inserted_audience) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
            begin
                select
                    n.id::pg_catalog.text,
                    coalesce((array['user:' || n.customer_id]), '{}'),
                    pg_catalog.to_json(payload.*)
                into updated_key, updated_audience, updated_data
                from (
                    select
                        n.id as id,
                        n.status as status,
                        n.total as total
                ) as payload
                where 'public.orders'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated_audience) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        perform pgherald.reset_collection('public.orders', null, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('order_deleted', deleted_key, deleted_audience, deleted_data);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('order_created', inserted_key, inserted_audience, inserted_data);
            written = true;
        end if;
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('order_updated', updated_key, updated_audience, updated_data);
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
