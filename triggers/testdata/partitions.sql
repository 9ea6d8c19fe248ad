create or replace function pgherald."shop.lines.row"() returns trigger
language plpgsql
security definer
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
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(pg_catalog.json_build_array(new.order_id, new.sku)::pg_catalog.text operator(pg_catalog.<>) pg_catalog.json_build_array(old.order_id, old.sku)::pg_catalog.text collate pg_catalog."C", true)
                and 'shop.lines'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' or key_changed then
            declare
                n alias for old;
            begin
                deleted_key = case when 'shop.lines'::pg_catalog.regclass is not null then pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text end;
                deleted_data = pg_catalog.to_json(n.*);
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'INSERT' or key_changed then
            declare
                n alias for new;
            begin
                inserted_key = case when 'shop.lines'::pg_catalog.regclass is not null then pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text end;
                inserted_data = pg_catalog.to_json(n.*);
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
            begin
                updated_key = case when 'shop.lines'::pg_catalog.regclass is not null then pg_catalog.json_build_array(n.order_id, n.sku)::pg_catalog.text end;
                updated_data = pg_catalog.to_json(n.*);
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
                when tg_op operator(pg_catalog.=) 'DELETE' then pg_catalog.json_build_array(old.order_id, old.sku)::pg_catalog.text
                else pg_catalog.json_build_array(new.order_id, new.sku)::pg_catalog.text
            end;
        exception when others or assert_failure then
            failed_key = null;
        end;
        perform pgherald.reset_collection('shop.lines', failed_key, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('line_removed', deleted_key, null, deleted_data);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('line_added', inserted_key, null, inserted_data);
            written = true;
        end if;
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('line_changed', updated_key, null, updated_data);
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
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'shop.lines' as "table", 'shop.lines_2025' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not pgherald.truncated('table_truncated', 'shop.lines');
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
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'shop.lines' as "table", 'shop.lines_2026' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not pgherald.truncated('table_truncated', 'shop.lines');
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
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select 'shop.lines' as "table", 'shop.lines_2026_01' as partition) as payload
    -- Skip the event if the last event of this transaction reports the whole table as truncated.
    where not pgherald.truncated('table_truncated', 'shop.lines');
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
set TimeZone = 'UTC'
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_op operator(pg_catalog.=) 'DELETE' then
            declare
                n alias for old;
            begin
                deleted_key = case when 'shop.stock'::pg_catalog.regclass is not null then n.sku::pg_catalog.text end;
                deleted_data = pg_catalog.to_json(n.*);
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        begin
            failed_key = case when tg_op operator(pg_catalog.=) 'DELETE' then old.sku::pg_catalog.text else new.sku::pg_catalog.text end;
        exception when others or assert_failure then
            failed_key = null;
        end;
        perform pgherald.reset_collection('shop.stock', failed_key, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('stock_gone', deleted_key, null, deleted_data);
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
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    gone shop.stock_eu;
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    for gone in select * from only shop.stock_eu loop
        failed = null;
        -- An expression that raises an error must not fail the write. Nothing is written in this block.
        begin
            declare
                n alias for gone;
            begin
                deleted_key = case when 'shop.stock'::pg_catalog.regclass is not null then n.sku::pg_catalog.text end;
                deleted_data = pg_catalog.to_json(n.*);
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        exception when others or assert_failure then
            failed = sqlstate;
        end;
        if failed is not null then
            begin
                failed_key = gone.sku::pg_catalog.text;
            exception when others or assert_failure then
                failed_key = null;
            end;
            perform pgherald.reset_collection('shop.stock', failed_key, failed);
            written = true;
        else
            if deleted_data is not null then
                insert into pgherald.events (type, key, audience, data)
                values ('stock_gone', deleted_key, null, deleted_data);
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
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    gone shop.stock_us;
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    for gone in select * from only shop.stock_us loop
        failed = null;
        -- An expression that raises an error must not fail the write. Nothing is written in this block.
        begin
            declare
                n alias for gone;
            begin
                deleted_key = case when 'shop.stock'::pg_catalog.regclass is not null then n.sku::pg_catalog.text end;
                deleted_data = pg_catalog.to_json(n.*);
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        exception when others or assert_failure then
            failed = sqlstate;
        end;
        if failed is not null then
            begin
                failed_key = gone.sku::pg_catalog.text;
            exception when others or assert_failure then
                failed_key = null;
            end;
            perform pgherald.reset_collection('shop.stock', failed_key, failed);
            written = true;
        else
            if deleted_data is not null then
                insert into pgherald.events (type, key, audience, data)
                values ('stock_gone', deleted_key, null, deleted_data);
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
