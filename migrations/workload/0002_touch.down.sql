do $$
begin
    drop trigger activities_touch on public.activities;

    create trigger activities_touch
    before update on public.activities
    for each row
    when (old.* is distinct from new.* and old.updated_at is not distinct from new.updated_at)
    execute function public.activities_touch();

    create or replace function public.activities_touch() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
    as $touch$
    begin
        new.updated_at := clock_timestamp(); -- not now(): a writer that waited for a lock must not set an earlier time
        return new;
    end
    $touch$;
exception
    -- PostgreSQL refuses this condition on a table with generated columns. Then the trigger and its
    -- function stay unchanged.
    when invalid_object_definition then
        raise notice 'activities_touch stays: %', sqlerrm;
end
$$;
