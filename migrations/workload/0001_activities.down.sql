drop table public.activity_updates;
drop table public.assignments;
drop table public.activities;
drop function public.activities_touch();

-- Only where 0003 could not be undone.
drop domain if exists
    public.activity_category,
    public.activity_subcategory,
    public.activity_location,
    public.activity_status,
    public.activity_reporter;
