-- Qualifies the operators of activities_touch, which runs in the session of any writer. A writer's search path may
-- name a schema in which another role has made an operator on the domains of the activities.
create or replace function public.activities_touch() returns trigger
language plpgsql
as $$
begin
    -- *<> compares the images of the rows, and needs no operator of their types.
    if old.updated_at operator(pg_catalog.=) new.updated_at and old.* operator(pg_catalog.*<>) new.* then
        -- Not now(): a writer that waited for a lock must not set an earlier time.
        new.updated_at := pg_catalog.clock_timestamp();
    end if;
    return new;
end
$$;
