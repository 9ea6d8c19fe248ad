-- Lets the functions of pgherald_writer, which may not read the log, ask one question about it: whether the
-- last event of the current transaction says that the whole table was truncated. Then the trigger of a
-- partition, which fires after that of its parent, writes no event of its own.
create function pgherald.truncated(type text, "table" text) returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (
            select
                events.type = truncated.type
                and events.data ->> 'table' = truncated."table"
                and events.data ->> 'partition' is null
            from pgherald.events
            where events.xid = pg_current_xact_id_if_assigned()
            order by events.id desc
            limit 1
        ),
        false
    )
$$;

comment on function pgherald.truncated(text, text) is
    'Whether the last event of this transaction reports the table as truncated. For the trigger functions.';

revoke execute on function pgherald.truncated(text, text) from public;

-- Which rights on other objects the trigger functions need, so that apply can give them to pgherald_writer and take
-- them back.
create table pgherald.grants (
    function_name text,
    -- schema (USAGE), table (SELECT) or function (EXECUTE).
    kind text check (kind in ('schema', 'table', 'function')),
    -- The object, as SQL.
    object text,
    primary key (function_name, kind, object)
);

comment on table pgherald.grants is
    'The rights that each trigger function needs on objects outside this schema. Apply grants and revokes them.';
