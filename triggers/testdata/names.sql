create or replace function pgherald."Order Items.select.from.row.94937962"() returns trigger
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
            o alias for old;
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'deleted',
                pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(payload.*)
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
            written = written or found;
            insert into pgherald.events (type, key, audience, data)
            select
                'gone',
                pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(payload.*)
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
            written = written or found;
        end;
    end if;
    if tg_op operator(pg_catalog.=) 'INSERT' then
        declare
            n alias for new;
            o "Order Items"."select.from";
        begin
            insert into pgherald.events (type, key, audience, data)
            select
                'created',
                pg_catalog.json_build_array(n."Größe", n."it's ""it""")::pg_catalog.text,
                null::pg_catalog.text[],
                pg_catalog.to_json(payload.*)
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
set standard_conforming_strings = on
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
    -- lock: then the leader finds the events and sends the wake-up.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266) end) then
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
