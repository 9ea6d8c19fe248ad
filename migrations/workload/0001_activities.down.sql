do $$
begin
    -- The table is gone if the engine's migrations were undone first.
    if to_regclass('pgherald.reserved_types') is not null then
        delete from pgherald.reserved_types
        where type in ('activity_created', 'activity_updated', 'activity_deleted', 'assignment_changed');
    end if;
end
$$;

drop table public.activity_updates;
drop table public.assignments;
drop table public.activities;
drop function public.activities_touch();

-- Present only where 0003 could not be undone.
drop domain if exists
    public.activity_category,
    public.activity_subcategory,
    public.activity_location,
    public.activity_status,
    public.activity_reporter;
