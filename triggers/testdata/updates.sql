create or replace function pgherald."public.users.update"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    -- Fast path: one row, and its key did not change.
    if not exists (select from new_rows offset 1) then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        cross join old_rows
        cross join lateral (
            select
                'user.renamed',
                ('user-' || n.id)::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.teams as t on t.id = n.team_id
            left join public.users as boss on boss.id = t.boss_id
            cross join lateral (
                select
                    o.name as "old",
                    n.name as "new",
                    t.name as team,
                    (
                        case
                            when boss.id is null then 'none'
                            else boss.name
                        end
                    ) as boss
            ) as payload
            where new_rows.id = old_rows.id
                and (n.name is distinct from o.name)
            union all
            select
                'user.seen',
                n.id::text,
                coalesce((array['team:' || t.id]), '{}'),
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.teams as t on t.id = n.team_id
            left join public.users as boss on boss.id = t.boss_id
            cross join lateral (
                select
                    n.seen_at as at
            ) as payload
            where new_rows.id = old_rows.id
        ) as event (type, key, audience, data)
        where new_rows.* *<> old_rows.*;
        get diagnostics written = row_count;
    end if;
    if written = 0 then
        insert into pgherald.events (type, key, audience, data)
        select event.type, event.key, event.audience, event.data
        from new_rows
        -- Postgres can only hash or merge a full join. So the plan that a session caches for an update of
        -- one row is also good for an update of many rows.
        full join old_rows on new_rows.id = old_rows.id
        cross join lateral (
            -- The row changed, or its key changed (then o is null).
            select
                'user.renamed',
                ('user-' || n.id)::text,
                null::text[],
                to_json(payload.*)
            from (select new_rows.*) as n
            cross join (select old_rows.*) as o
            join public.teams as t on t.id = n.team_id
            left join public.users as boss on boss.id = t.boss_id
            cross join lateral (
                select
                    o.name as "old",
                    n.name as "new",
                    t.name as team,
                    (
                        case
                            when boss.id is null then 'none'
                            else boss.name
                        end
                    ) as boss
            ) as payload
            where num_nulls(new_rows.id) = 0
                and (n.name is distinct from o.name)
            union all
            select
                'user.seen',
                n.id::text,
                coalesce((array['team:' || t.id]), '{}'),
                to_json(payload.*)
            from (select new_rows.*) as n
            join public.teams as t on t.id = n.team_id
            left join public.users as boss on boss.id = t.boss_id
            cross join lateral (
                select
                    n.seen_at as at
            ) as payload
            where num_nulls(new_rows.id) = 0
        ) as event (type, key, audience, data)
        -- Skip rows that did not change. *<> compares row images, since not every type has an equality
        -- operator. A strict condition here would turn the full join into an inner join.
        where (new_rows.* *<> old_rows.*) is distinct from false;
        get diagnostics written = row_count;
    end if;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.users',
            'op', 'update',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.users.update"() from public;

create or replace function pgherald."public.users.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set standard_conforming_strings = on
as $pgherald$
#variable_conflict use_column
declare
    written bigint = 0;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'users.gone', null, null, to_json(payload.*)
    from (select 'public.users' as "table") as payload;
    get diagnostics written = row_count;
    -- A writer skips the NOTIFY while the notify leader holds this advisory lock: the leader finds
    -- the events and sends the wake-up.
    if written > 0 and (case when pg_try_advisory_lock_shared(8099557239769099266) then pg_advisory_unlock_shared(8099557239769099266) end) then
        perform pg_notify('pgherald', json_build_object(
            'table', 'public.users',
            'op', 'truncate',
            'rows', written,
            'xid', pg_current_xact_id()::text
        )::text);
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.users.truncate"() from public;

drop trigger if exists pgherald_update on public.users;
create trigger pgherald_update
after update on public.users
referencing new table as new_rows old table as old_rows
for each statement
execute function pgherald."public.users.update"();

drop trigger if exists pgherald_truncate on public.users;
create trigger pgherald_truncate
after truncate on public.users
for each statement
execute function pgherald."public.users.truncate"();
