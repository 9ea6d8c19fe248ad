create or replace function pgherald."Order Items.select.from.insert.94937962"() returns trigger
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
        'created',
        json_build_array(n."Größe", n."it's ""it""")::text,
        null::text[],
        to_json(payload.*)
    from new_rows as n
    cross join (select (null::"Order Items"."select.from").*) as o
    cross join lateral (
        select
            (n."Größe" * 2.5) as "Größe in cm",
            o."user" as "user",
            (
                n.text -- unchanged
            ) as comment,
            'two

lines' as multi
    ) as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', '"Order Items"."select.from"',
            'op', 'insert',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."Order Items.select.from.insert.94937962"() from public;

create or replace function pgherald."Order Items.select.from.delete.94937962"() returns trigger
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
            'deleted',
            json_build_array(n."Größe", n."it's ""it""")::text,
            null::text[],
            to_json(payload.*)
        from (select old_rows.*) as n
        cross join (select old_rows.*) as o
        cross join lateral (
            select
                (n."Größe" * 2.5) as "Größe in cm",
                o."user" as "user",
                (
                    n.text -- unchanged
                ) as comment,
                'two

lines' as multi
        ) as payload
        union all
        select
            'gone',
            json_build_array(n."Größe", n."it's ""it""")::text,
            null::text[],
            to_json(payload.*)
        from (select old_rows.*) as n
        cross join (select old_rows.*) as o
        cross join lateral (
            select
                (n."Größe" * 2.5) as "Größe in cm",
                o."user" as "user",
                (
                    n.text -- unchanged
                ) as comment,
                'two

lines' as multi
        ) as payload
    ) as event (type, key, audience, data);
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', '"Order Items"."select.from"',
            'op', 'delete',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."Order Items.select.from.delete.94937962"() from public;

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
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'table_truncated', null, null, to_json(payload.*)
    from (select '"Order Items"."select.from"' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', '"Order Items"."select.from"',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."Order Items.select.from.truncate.94937962"() from public;

drop trigger if exists pgherald_insert on "Order Items"."select.from";
create trigger pgherald_insert
after insert on "Order Items"."select.from"
referencing new table as new_rows
for each statement
execute function pgherald."Order Items.select.from.insert.94937962"();

drop trigger if exists pgherald_delete on "Order Items"."select.from";
create trigger pgherald_delete
after delete on "Order Items"."select.from"
referencing old table as old_rows
for each statement
execute function pgherald."Order Items.select.from.delete.94937962"();

drop trigger if exists pgherald_truncate on "Order Items"."select.from";
create trigger pgherald_truncate
after truncate on "Order Items"."select.from"
for each statement
execute function pgherald."Order Items.select.from.truncate.94937962"();
