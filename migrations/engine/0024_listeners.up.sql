-- compatible-from: 13
-- Writers see whether a server listens, and send no wake-up if none does.

-- Sends a wake-up unless the notify leader holds its advisory lock, whose key is the first number below, or no server
-- shares the lock of the listeners, whose key is the second one. The trigger functions do the same inline;
-- triggers/wakeup.go explains it. A transaction that calls this function must have its number before, so that the
-- leader, or a server that starts, finds its events.
create or replace function pgherald.wake(payload json) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end)
        and (case when pg_try_advisory_lock(8099557239769099267) then not pg_advisory_unlock(8099557239769099267) else true end)
    then
        perform pg_notify('pgherald', payload::text);
    end if;
end
$$;

comment on function pgherald.wake(json) is
    'Notifies servers that the log has grown, unless the notify leader polls the log at the moment, or no server listens.';
