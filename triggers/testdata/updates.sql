create or replace function pgherald."public.users.row"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
    key_changed pg_catalog.bool = false;
    updated_key pg_catalog.text[];
    updated_data pg_catalog.json[];
    updated2_key pg_catalog.text[];
    updated2_audience pg_catalog.text[];
    updated2_data pg_catalog.json[];
    failed pg_catalog.text;
begin
    -- A row that did not change gives no event. *= compares row images, since not every type has an
    -- equality operator.
    if tg_op operator(pg_catalog.=) 'UPDATE' and new operator(pg_catalog.*=) old then
        return null;
    end if;
    -- An expression that raises an error must not fail the write. Nothing is written in this block.
    begin
        if tg_relid operator(pg_catalog.<>) 'public.users'::pg_catalog.regclass::pg_catalog.oid then
            raise undefined_table using message = 'table public.users was renamed, and another one has its name';
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' then
            key_changed = coalesce(new.id::pg_catalog.text operator(pg_catalog.<>) old.id::pg_catalog.text collate pg_catalog."C", true)
                and 'public.users'::pg_catalog.regclass is not null;
        end if;
        if tg_op operator(pg_catalog.=) 'UPDATE' and not key_changed then
            declare
                n alias for new;
                o alias for old;
            begin
                select
                    array_agg(('user-' || n.id)::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated_key, updated_data
                from (select) as row
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
                where 'public.users'::pg_catalog.regclass is not null
                    and (n.name is distinct from o.name);
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated_key) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    array_agg(n.id::pg_catalog.text),
                    array_agg(coalesce((array['team:' || t.id]), '{}')::text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated2_key, updated2_audience, updated2_data
                from (select) as row
                join public.teams as t on t.id = n.team_id
                left join public.users as boss on boss.id = t.boss_id
                cross join lateral (
                    select
                        n.seen_at as at
                ) as payload
                where 'public.users'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated2_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated2_audience) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
        if key_changed then
            -- The key changed, and no event reports the new key.
            declare
                n alias for new;
                o public.users;
            begin
                select
                    array_agg(('user-' || n.id)::pg_catalog.text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated_key, updated_data
                from (select) as row
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
                where 'public.users'::pg_catalog.regclass is not null
                    and (n.name is distinct from o.name);
                if pg_catalog.pg_column_size(updated_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated_key) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
                select
                    array_agg(n.id::pg_catalog.text),
                    array_agg(coalesce((array['team:' || t.id]), '{}')::text),
                    array_agg(pg_catalog.to_json(payload.*))
                into updated2_key, updated2_audience, updated2_data
                from (select) as row
                join public.teams as t on t.id = n.team_id
                left join public.users as boss on boss.id = t.boss_id
                cross join lateral (
                    select
                        n.seen_at as at
                ) as payload
                where 'public.users'::pg_catalog.regclass is not null;
                if pg_catalog.pg_column_size(updated2_data) operator(pg_catalog.>) 268435456
                    or pg_catalog.pg_column_size(updated2_audience) operator(pg_catalog.>) 268435456 then
                    raise program_limit_exceeded;
                end if;
            end;
        end if;
    exception when others or assert_failure then
        failed = sqlstate;
    end;
    if failed is not null then
        perform pgherald.reset_collection('public.users', null, failed);
        written = true;
    else
        if updated_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'user.renamed', event.key, null, event.data
            from unnest(updated_key, updated_data) as event (key, data);
            written = true;
        end if;
        if updated2_data is not null then
            insert into pgherald.events (type, key, audience, data)
            select 'user.seen', event.key, event.audience::text[], event.data
            from unnest(updated2_key, updated2_audience, updated2_data) as event (key, audience, data);
            written = true;
        end if;
    end if;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.users',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.users.row"() from public;

create or replace function pgherald."public.users.truncate"() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD'
set IntervalStyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set row_security = off
as $pgherald$
#variable_conflict use_column
declare
    written pg_catalog.bool = false;
begin
    insert into pgherald.events (type, key, audience, data)
    select 'users.gone', null, null, to_json(payload.*)
    from (select 'public.users' as "table") as payload;
    written = found;
    -- The first write of a transaction sends a wake-up, unless the notify leader holds this advisory
    -- lock: then the leader finds the events and sends the wake-up. Nor does it if it gets the second lock alone, which
    -- each server shares while it listens: then no server does.
    if written and coalesce(pg_catalog.current_setting('pgherald.announced', true), '')
        operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.text
    then
        perform pg_catalog.set_config('pgherald.announced', pg_catalog.pg_current_xact_id()::pg_catalog.text, true);
        if (case when pg_catalog.pg_try_advisory_lock_shared(8099557239769099266) then pg_catalog.pg_advisory_unlock_shared(8099557239769099266)
            and (case when pg_catalog.pg_try_advisory_lock(8099557239769099267) then not pg_catalog.pg_advisory_unlock(8099557239769099267) else true end) end)
        then
            perform pg_catalog.pg_notify('pgherald', pg_catalog.json_build_object(
                'table', 'public.users',
                'op', pg_catalog.lower(tg_op),
                'xid', pg_catalog.pg_current_xact_id()::pg_catalog.text
            )::pg_catalog.text);
        end if;
    end if;
    return null;
end
$pgherald$;
revoke execute on function pgherald."public.users.truncate"() from public;

drop trigger if exists "00_pgherald" on public.users;
create trigger "00_pgherald"
after update on public.users
for each row
execute function pgherald."public.users.row"();

drop trigger if exists pgherald_truncate on public.users;
create trigger pgherald_truncate
after truncate on public.users
for each statement
execute function pgherald."public.users.truncate"();
