-- Custom events, which come from no watched table: a role with the right to call publish appends them
-- to the log.

-- Sends a wake-up unless the notify leader holds its advisory lock, whose key is the number below. The
-- trigger functions do the same inline; triggers/body.go explains it. Call this function after the
-- insert, so that the leader finds the events of every transaction that saw the lock held.
create function pgherald.wake(payload json) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', payload::text);
    end if;
end
$$;

comment on function pgherald.wake(json) is
    'Notifies servers that the log has grown, unless the notify leader polls the log at the moment.';

revoke execute on function pgherald.wake(json) from public;

-- Event types that publish refuses, because clients trust that only servers and triggers write them.
-- The engine reserves the types of the stream itself. Other migrations add the types that their
-- triggers write.
create table pgherald.reserved_types (
    type text primary key
);

comment on table pgherald.reserved_types is
    'Event types that pgherald.publish refuses: clients trust that only servers and triggers write them.';

insert into pgherald.reserved_types (type)
values ('sync'), ('heartbeat'), ('batch'), ('presence_updated'), ('table_truncated');

-- Runs with the rights of its owner, as the trigger functions do. To let a role publish:
--     grant usage on schema pgherald to some_role;
--     grant execute on function pgherald.publish to some_role;
create function pgherald.publish(type text, data json, key text default null, audience text[] default null)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    if publish.type is null or publish.type collate "C" !~ '^[a-z][a-z0-9_.:-]{0,62}$' then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'type',
            message = 'an event type must be a lower-case letter and then up to 62 of a-z, 0-9, _ . : -';
    end if;
    if exists (select from pgherald.reserved_types as r where r.type = publish.type) then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'type',
            message = 'the event type ' || publish.type || ' is built in and cannot be published: choose another';
    end if;
    if publish.data is null then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'data',
            message = 'the data of an event must be JSON: JSON''s own null is ''null''::json';
    end if;
    insert into pgherald.events (type, key, audience, data)
    values (publish.type, publish.key, publish.audience, publish.data)
    returning id into written;
    perform pgherald.wake(json_build_object('op', 'publish', 'type', publish.type, 'xid', pg_current_xact_id()::text));
    return written;
end
$$;

comment on function pgherald.publish(text, json, text, text[]) is
    'Appends an event to the log in the caller''s transaction and returns its id. Without an audience, every client may receive it.';

revoke execute on function pgherald.publish(text, json, text, text[]) from public;
