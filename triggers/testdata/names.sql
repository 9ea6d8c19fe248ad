create or replace function pgherald."Order Items.select.from.row.94937962"() returns trigger
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
    deleted_key pg_catalog.text;
    deleted_data pg_catalog.json;
    deleted2_key pg_catalog.text;
    deleted2_data pg_catalog.json;
    inserted_key pg_catalog.text;
    inserted_data pg_catalog.json;
    failed pg_catalog.text;
    failed_key pg_catalog.text;
begin
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) '"Order Items"."select.from"'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table "Order Items"."select.from" was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'DELETE' then
            declare
                n alias for old;
                o alias for old;
            begin
                select
                    pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into deleted_key, deleted_data
                from (
                    select
                        (n."Größe" * 2.5) as "Größe in cm",
                        o."user" as "user",
                        (
                            n.text -- unchanged
                        ) as comment,
                        'two

lines' as multi
                ) as payload
                where '"Order Items"."select.from"'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into deleted2_key, deleted2_data
                from (
                    select
                        (n."Größe" * 2.5) as "Größe in cm",
                        o."user" as "user",
                        (
                            n.text -- unchanged
                        ) as comment,
                        'two

lines' as multi
                ) as payload
                where '"Order Items"."select.from"'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(deleted2_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if tg_op operator(pg_catalog.=) 'INSERT' then
            declare
                n alias for new;
                o "Order Items"."select.from";
            begin
                select
                    pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                    pg_catalog.to_json(payload.*)
                into inserted_key, inserted_data
                from (
                    select
                        (n."Größe" * 2.5) as "Größe in cm",
                        o."user" as "user",
                        (
                            n.text -- unchanged
                        ) as comment,
                        'two

lines' as multi
                ) as payload
                where '"Order Items"."select.from"'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(inserted_data) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        begin
            failed_key = case when tg_op operator(pg_catalog.=) 'DELETE' then pg_catalog.json_build_array(old."Größe", old."it's ""it""")::pg_catalog.text else pg_catalog.json_build_array(new."Größe", new."it's ""it""")::pg_catalog.text end;
        exception when others or assert_failure then
            failed_key = null;
        end;
        perform pgherald.reset_collection('"Order Items"."select.from"', failed_key, failed);
        written = true;
    else
        if deleted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('deleted', deleted_key, null, deleted_data);
            written = true;
        end if;
        if deleted2_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('gone', deleted2_key, null, deleted2_data);
            written = true;
        end if;
        if inserted_data is not null then
            insert into pgherald.events (type, key, audience, data)
            values ('created', inserted_key, null, inserted_data);
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
                'table', '"Order Items"."select.from"',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."Order Items.select.from.row.94937962"() from public;

create or replace function pgherald."Order Items.select.from.truncate.94937962"() returns trigger
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
    from (select '"Order Items"."select.from"' as "table") as payload;
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
                'table', '"Order Items"."select.from"',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."Order Items.select.from.truncate.94937962"() from public;

drop trigger if exists "00_pgherald" on "Order Items"."select.from";
create trigger "00_pgherald"
after insert or delete on "Order Items"."select.from"
for each row
execute function pgherald."Order Items.select.from.row.94937962"();

drop trigger if exists pgherald_truncate on "Order Items"."select.from";
create trigger pgherald_truncate
after truncate on "Order Items"."select.from"
for each statement
execute function pgherald."Order Items.select.from.truncate.94937962"();
