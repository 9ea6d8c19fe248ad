-- Turns the domains back into check constraints. Does nothing where the up migration kept the checks.
-- Keeps the domains where something prevents a change of the columns' types: dropping the table
-- removes them.
do $$
begin
    if to_regtype('public.activity_category') is null then
        return;
    end if;

    alter table public.activities
        alter column category type text,
        alter column subcategory type text,
        alter column location type text,
        alter column status type text,
        alter column reporter type text,
        add constraint activities_category_check check (length(category) between 1 and 200) not valid,
        add constraint activities_subcategory_check check (length(subcategory) between 1 and 200) not valid,
        add constraint activities_location_check check (length(location) between 1 and 200) not valid,
        add constraint activities_status_check check (length(status) between 1 and 200) not valid,
        add constraint activities_reporter_check check (length(reporter) between 1 and 200) not valid;

    drop domain public.activity_category;
    drop domain public.activity_subcategory;
    drop domain public.activity_location;
    drop domain public.activity_status;
    drop domain public.activity_reporter;
exception
    when feature_not_supported or syntax_error then
        raise notice 'public.activities keeps its domains: %', sqlerrm;
end
$$;
