create or replace function pgherald."shop.lines.row"() returns trigger
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
        key_changed = pg_catalog.json_build_array(new.order_id, new.sku)::pg_catalog.text operator(pg_catalog.<>) pg_catalog.json_build_array(old.order_id, old.sku)::pg_catalog.text collate pg_catalog."C"
            and 'shop.lines'::pg_catalog.regclass is not null;
    end if;
    if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
        declare
            n alias for old;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'line_removed',
                pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.lines'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end if;
    if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
        declare
            n alias for new;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'line_added',
                pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.lines'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end if;
    if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
        declare
            n alias for new;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'line_changed',
                pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.lines'::pg_catalog.regclass is not null;
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
                'table', 'shop.lines',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines.row"() from public;

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
    written pg_catalog.bool = false;

begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'shop.lines' as "table") as payload;
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.lines',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
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
    written pg_catalog.bool = false;

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
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.lines',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
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
    written pg_catalog.bool = false;

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
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.lines',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
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
    written pg_catalog.bool = false;

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
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.lines',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.lines_2026_01.truncate"() from public;

create or replace function pgherald."shop.stock.row"() returns trigger
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
    if tg_op operator(pg_catalog.=) 'DELETE' then
        declare
            n alias for old;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'stock_gone',
                n.sku::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.stock'::pg_catalog.regclass is not null;
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
                'table', 'shop.stock',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.stock.row"() from public;

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
    written pg_catalog.bool = false;
    gone shop.stock_eu;
begin
    for gone in select * from only shop.stock_eu loop
        declare
            n alias for gone;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'stock_gone',
                n.sku::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.stock'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end loop;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.stock',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
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
    written pg_catalog.bool = false;
    gone shop.stock_us;
begin
    for gone in select * from only shop.stock_us loop
        declare
            n alias for gone;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'stock_gone',
                n.sku::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(n.*)
            where 'shop.stock'::pg_catalog.regclass is not null;
            written = written or found;
        end;
    end loop;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'shop.stock',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."shop.stock_us.truncate"() from public;

drop trigger if exists "00_pgherald" on shop.lines;
create trigger "00_pgherald"
after insert or update or delete on shop.lines
for each row
execute function pgherald."shop.lines.row"();

drop trigger if exists pgherald_truncate on shop.lines;
create trigger pgherald_truncate
after truncate on shop.lines
for each statement
execute function pgherald."shop.lines.truncate"();

drop trigger if exists pgherald_truncate on shop.lines_2025;
create trigger pgherald_truncate
after truncate on shop.lines_2025
for each statement
execute function pgherald."shop.lines_2025.truncate"();

drop trigger if exists pgherald_truncate on shop.lines_2026;
create trigger pgherald_truncate
after truncate on shop.lines_2026
for each statement
execute function pgherald."shop.lines_2026.truncate"();

drop trigger if exists pgherald_truncate on shop.lines_2026_01;
create trigger pgherald_truncate
after truncate on shop.lines_2026_01
for each statement
execute function pgherald."shop.lines_2026_01.truncate"();

drop trigger if exists "00_pgherald" on shop.stock;
create trigger "00_pgherald"
after delete on shop.stock
for each row
execute function pgherald."shop.stock.row"();

drop trigger if exists pgherald_truncate on shop.stock_eu;
create trigger pgherald_truncate
before truncate on shop.stock_eu
for each statement
execute function pgherald."shop.stock_eu.truncate"();

drop trigger if exists pgherald_truncate on shop.stock_us;
create trigger pgherald_truncate
before truncate on shop.stock_us
for each statement
execute function pgherald."shop.stock_us.truncate"();
