-- Events that no table stands behind: whoever may call publish appends them to the same log.

-- The doorbell, as the trigger functions have it inline; see triggers/body.go for why it may stay
-- silent. Call it after the insert: the number is the waker's lock, and the waker finds what was
-- written before somebody saw it held.
create function pgherald.ring(payload json) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', payload::text);
    end if;
end
$$;

comment on function pgherald.ring(json) is
    'Tells servers that the log has grown, unless one of them looks every few milliseconds anyway.';

revoke execute on function pgherald.ring(json) from public;

-- Runs with its owner's rights, as the trigger functions do. To let a role publish:
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
    -- Clients trust these: the stream's own, and what the triggers of the activities say.
    if publish.type in (
        'sync', 'heartbeat', 'batch', 'presence_updated', 'table_truncated',
        'activity_created', 'activity_updated', 'activity_deleted', 'assignment_changed'
    ) then
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
    perform pgherald.ring(json_build_object('op', 'publish', 'type', publish.type, 'xid', pg_current_xact_id()::text));
    return written;
end
$$;

comment on function pgherald.publish(text, json, text, text[]) is
    'Appends an event to the log in the caller''s transaction, and returns its id. Without an audience it is for everyone.';

revoke execute on function pgherald.publish(text, json, text, text[]) from public;
