create or replace function public.activities_touch() returns trigger
language plpgsql
as $$
begin
    if old.updated_at is not distinct from new.updated_at and old.* is distinct from new.* then
        -- Not now(): a writer that waited for a lock must not set an earlier time.
        new.updated_at := pg_catalog.clock_timestamp();
    end if;
    return new;
end
$$;
