-- Logs that the events of a row could not be computed: clients load the table again, or the row if they know
-- its key. The trigger functions call it, which may not read the log themselves.
--
-- If a statement fails for many rows, the second event in a row omits the key, and no third one follows.
create function pgherald.reset_collection("table" text, key text, sqlstate text) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    known json = (
        select case when events.type = 'collection_reset' then events.data end
        from pgherald.events
        where events.xid = pg_current_xact_id_if_assigned()
        order by events.id desc
        limit 1
    );
    unknown_key boolean = reset_collection.key is null or length(reset_collection.key) > 200;
begin
    if known ->> 'table' = reset_collection."table" then
        if known ->> 'key' is null or known ->> 'key' = reset_collection.key then
            return;
        end if;
        unknown_key = true;
    end if;
    insert into pgherald.events (type, key, audience, data)
    select
        'collection_reset',
        null,
        null,
        json_strip_nulls(to_json(payload.*))
    from (
        select
            reset_collection."table" as "table",
            case when not unknown_key then reset_collection.key end as key,
            'expression' as reason,
            reset_collection.sqlstate as sqlstate
    ) as payload;
end
$$;

comment on function pgherald.reset_collection(text, text, text) is
    'Logs that a row''s events could not be computed, so that clients load the table again. For the trigger functions.';

revoke execute on function pgherald.reset_collection(text, text, text) from public;

insert into pgherald.reserved_types (type) values ('collection_reset');
