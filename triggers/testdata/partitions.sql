create or replace function pgherald."shop.lines.insert"() returns trigger
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
        'line_added',
        json_build_array(n.order_id, n.sku)::text,
        null::text[],
        to_json(n.*)
    from new_rows as n;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines.insert"() from public;

create or replace function pgherald."shop.lines.update"() returns trigger
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
            'line_changed',
            json_build_array(n.order_id, n.sku)::text,
            null::text[],
            to_json(n.*)
        from new_rows as n
        cross join old_rows as o
        where n.order_id = o.order_id
            and n.sku operator(public.=) o.sku
            and n.* *<> o.*;
        get diagnostics written = row_count;
    end if;
    if written = 0 then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        -- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
        -- one row is also good for an update of many rows.
        full join old_rows on new_rows.order_id = old_rows.order_id
            and new_rows.sku operator(public.=) old_rows.sku
        cross join lateral (
            -- The row changed.
            select
                'line_changed',
                json_build_array(n.order_id, n.sku)::text,
                null::text[],
                to_json(new_rows.*)
            from (select new_rows.*) as n
            where num_nulls(new_rows.order_id, old_rows.order_id) = 0
            union all
            -- The key changed: this row has the new key.
            select
                'line_added',
                json_build_array(n.order_id, n.sku)::text,
                null::text[],
                to_json(new_rows.*)
            from (select new_rows.*) as n
            where old_rows.order_id is null
            union all
            -- The key changed: this row had the old key.
            select
                'line_removed',
                json_build_array(n.order_id, n.sku)::text,
                null::text[],
                to_json(old_rows.*)
            from (select old_rows.*) as n
            where new_rows.order_id is null
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
            'table', 'shop.lines',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines.update"() from public;

create or replace function pgherald."shop.lines.delete"() returns trigger
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
        'line_removed',
        json_build_array(n.order_id, n.sku)::text,
        null::text[],
        to_json(n.*)
    from old_rows as n;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines.delete"() from public;

create or replace function pgherald."shop.lines.truncate"() returns trigger
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
    from (select 'shop.lines' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines.truncate"() from public;

create or replace function pgherald."shop.lines_2025.truncate"() returns trigger
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
    from (select 'shop.lines' as "table", 'shop.lines_2025' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not exists (
        select
        from (
            select events.type, events.data
            from pgherald.events
            where events.xid = pg_current_xact_id()
            order by events.id desc
            limit 1
        ) as last
        where last.type = 'table_truncated'
            and last.data ->> 'table' = 'shop.lines'
            and last.data ->> 'partition' is null
    );
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines_2025.truncate"() from public;

create or replace function pgherald."shop.lines_2026.truncate"() returns trigger
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
    from (select 'shop.lines' as "table", 'shop.lines_2026' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not exists (
        select
        from (
            select events.type, events.data
            from pgherald.events
            where events.xid = pg_current_xact_id()
            order by events.id desc
            limit 1
        ) as last
        where last.type = 'table_truncated'
            and last.data ->> 'table' = 'shop.lines'
            and last.data ->> 'partition' is null
    );
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines_2026.truncate"() from public;

create or replace function pgherald."shop.lines_2026_01.truncate"() returns trigger
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
    from (select 'shop.lines' as "table", 'shop.lines_2026_01' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not exists (
        select
        from (
            select events.type, events.data
            from pgherald.events
            where events.xid = pg_current_xact_id()
            order by events.id desc
            limit 1
        ) as last
        where last.type = 'table_truncated'
            and last.data ->> 'table' = 'shop.lines'
            and last.data ->> 'partition' is null
    );
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.lines',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines_2026_01.truncate"() from public;

create or replace function pgherald."shop.stock.delete"() returns trigger
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
        'stock_gone',
        n.sku::text,
        null::text[],
        to_json(n.*)
    from old_rows as n;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.stock',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.stock.delete"() from public;

create or replace function pgherald."shop.stock_eu.truncate"() returns trigger
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
    with old_rows as (select * from only shop.stock_eu)
    insert into pgherald.events (type, key, audience, data)
    select
        'stock_gone',
        n.sku::text,
        null::text[],
        to_json(n.*)
    from old_rows as n;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.stock',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.stock_eu.truncate"() from public;

create or replace function pgherald."shop.stock_us.truncate"() returns trigger
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
    with old_rows as (select * from only shop.stock_us)
    insert into pgherald.events (type, key, audience, data)
    select
        'stock_gone',
        n.sku::text,
        null::text[],
        to_json(n.*)
    from old_rows as n;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'shop.stock',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.stock_us.truncate"() from public;

drop trigger if exists pgherald_insert on shop.lines;
create trigger pgherald_insert
after insert on shop.lines
referencing new table as new_rows
for each statement
execute function pgherald."shop.lines.insert"();

drop trigger if exists pgherald_update on shop.lines;
create trigger pgherald_update
after update on shop.lines
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."shop.lines.update"();

drop trigger if exists pgherald_delete on shop.lines;
create trigger pgherald_delete
after delete on shop.lines
referencing old table as old_rows
for each statement
execute function pgherald."shop.lines.delete"();

drop trigger if exists pgherald_truncate on shop.lines;
create trigger pgherald_truncate
after truncate on shop.lines
for each statement
execute function pgherald."shop.lines.truncate"();

drop trigger if exists pgherald_insert on shop.lines_2025;
create trigger pgherald_insert
after insert on shop.lines_2025
referencing new table as new_rows
for each statement
execute function pgherald."shop.lines.insert"();

drop trigger if exists pgherald_update on shop.lines_2025;
create trigger pgherald_update
after update on shop.lines_2025
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."shop.lines.update"();

drop trigger if exists pgherald_delete on shop.lines_2025;
create trigger pgherald_delete
after delete on shop.lines_2025
referencing old table as old_rows
for each statement
execute function pgherald."shop.lines.delete"();

drop trigger if exists pgherald_truncate on shop.lines_2025;
create trigger pgherald_truncate
after truncate on shop.lines_2025
for each statement
execute function pgherald."shop.lines_2025.truncate"();

drop trigger if exists pgherald_insert on shop.lines_2026;
create trigger pgherald_insert
after insert on shop.lines_2026
referencing new table as new_rows
for each statement
execute function pgherald."shop.lines.insert"();

drop trigger if exists pgherald_update on shop.lines_2026;
create trigger pgherald_update
after update on shop.lines_2026
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."shop.lines.update"();

drop trigger if exists pgherald_delete on shop.lines_2026;
create trigger pgherald_delete
after delete on shop.lines_2026
referencing old table as old_rows
for each statement
execute function pgherald."shop.lines.delete"();

drop trigger if exists pgherald_truncate on shop.lines_2026;
create trigger pgherald_truncate
after truncate on shop.lines_2026
for each statement
execute function pgherald."shop.lines_2026.truncate"();

drop trigger if exists pgherald_insert on shop.lines_2026_01;
create trigger pgherald_insert
after insert on shop.lines_2026_01
referencing new table as new_rows
for each statement
execute function pgherald."shop.lines.insert"();

drop trigger if exists pgherald_update on shop.lines_2026_01;
create trigger pgherald_update
after update on shop.lines_2026_01
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."shop.lines.update"();

drop trigger if exists pgherald_delete on shop.lines_2026_01;
create trigger pgherald_delete
after delete on shop.lines_2026_01
referencing old table as old_rows
for each statement
execute function pgherald."shop.lines.delete"();

drop trigger if exists pgherald_truncate on shop.lines_2026_01;
create trigger pgherald_truncate
after truncate on shop.lines_2026_01
for each statement
execute function pgherald."shop.lines_2026_01.truncate"();

drop trigger if exists pgherald_delete on shop.stock;
create trigger pgherald_delete
after delete on shop.stock
referencing old table as old_rows
for each statement
execute function pgherald."shop.stock.delete"();

drop trigger if exists pgherald_delete on shop.stock_eu;
create trigger pgherald_delete
after delete on shop.stock_eu
referencing old table as old_rows
for each statement
execute function pgherald."shop.stock.delete"();

drop trigger if exists pgherald_truncate on shop.stock_eu;
create trigger pgherald_truncate
before truncate on shop.stock_eu
for each statement
execute function pgherald."shop.stock_eu.truncate"();

drop trigger if exists pgherald_delete on shop.stock_us;
create trigger pgherald_delete
after delete on shop.stock_us
referencing old table as old_rows
for each statement
execute function pgherald."shop.stock.delete"();

drop trigger if exists pgherald_truncate on shop.stock_us;
create trigger pgherald_truncate
before truncate on shop.stock_us
for each statement
execute function pgherald."shop.stock_us.truncate"();
