create or replace function pgherald.wake(payload json) returns void
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
