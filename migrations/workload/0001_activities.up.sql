-- The workload: the activities of a Workload Insights dashboard.

create table public.activities (
    id uuid primary key default gen_random_uuid(),
    category text not null check (length(category) between 1 and 200),
    subcategory text not null check (length(subcategory) between 1 and 200),
    location text not null check (length(location) between 1 and 200),
    status text not null default 'open' check (length(status) between 1 and 200),
    reporter text not null check (length(reporter) between 1 and 200),
    created_at timestamptz not null default now() check (isfinite(created_at)),
    updated_at timestamptz not null default now() check (isfinite(updated_at))
);

-- The list of activities is read in pages, newest first.
create index activities_created_at_id on public.activities (created_at desc, id desc);
create index activities_status on public.activities (status);

-- Sets updated_at for every update, by the API or in psql. An update without a change must leave
-- this column alone too, or it would give an event.
create function public.activities_touch() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := clock_timestamp(); -- not now(): a writer that waited for a lock must not set an earlier time
    return new;
end
$$;

create trigger activities_touch
before update on public.activities
for each row
when (old.* is distinct from new.* and old.updated_at is not distinct from new.updated_at)
execute function public.activities_touch();

-- The current assignee of each activity. Insert: assigned. Update: handed over. Delete: unassigned.
create table public.assignments (
    activity_id uuid primary key references public.activities (id) on delete cascade,
    assignee_id text not null check (length(assignee_id) between 1 and 200),
    assigned_by text check (length(assigned_by) between 1 and 200),
    assigned_at timestamptz not null default now() check (isfinite(assigned_at))
);

create index assignments_assignee_id on public.assignments (assignee_id);

-- Notes about an activity. Append-only.
create table public.activity_updates (
    id bigint generated always as identity primary key,
    activity_id uuid not null references public.activities (id) on delete cascade,
    author_id text not null check (length(author_id) between 1 and 200),
    update_type text not null default 'general'
        check (update_type in ('status', 'assignment', 'general')),
    notes text not null check (length(notes) between 1 and 10000),
    created_at timestamptz not null default now() check (isfinite(created_at))
);

create index activity_updates_activity_id on public.activity_updates (activity_id, id desc);
