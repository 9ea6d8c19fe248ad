drop table public.activity_updates;
drop table public.assignments;
drop table public.activities;
drop function public.activities_touch();
