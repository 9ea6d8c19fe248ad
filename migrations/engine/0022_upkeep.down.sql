create or replace function pgherald.read_after(
    next bigint, holes bigint [], types text [], max integer, advice text, "window" integer default 20000
)
returns table (
    id bigint,
    xid text,
    type text,
    key text,
    audience text [],
    data json,
    at timestamptz,
    "cursor" text,
    next_after bigint,
    holes_after bigint []
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    state record;
    open_now bigint []; -- running transactions that the cursor has not seen
    own xid8 = pg_current_xact_id_if_assigned();
    whole boolean = false; -- look at all transactions
    size bigint = greatest(read_after."window", 4 * read_after.max); -- of the window, in events
    window_end xid8; -- null without a window
    oldest_above bigint; -- the first event above the window
    chosen bigint []; -- transactions in the order of their delivery
    matches bigint []; -- how many events of each are of the types
    unread bigint []; -- the chosen ones and all others below the highest of them, ascending
    passed integer = 1; -- position in unread: those before it are below next_after
    below bigint [] = '{}'; -- unread transactions below next_after
    read_xids bigint [] = '{}';
    cursors text [] = '{}'; -- after each of read_xids, and those without events of the types that follow it
begin
    if cardinality(read_after.types) = 0 then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'types', message = 'types must name one type at least, or be null for all';
    end if;
    if read_after.max is null or read_after.max not between 1 and 1000000 then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'max', message = 'max must be a number of events from 1 to 1,000,000';
    end if;
    select s.* into state from pgherald.log_state() as s;
    if read_after.next > state.xmax and state.pruned_below <= state.xmax then
        raise exception using
            errcode = 'PH004', column = 'since',
            message = 'the cursor lies in the future: it has seen transactions that do not exist yet',
            hint = read_after.advice || ' A snapshot that is older than the cursor gives this error too: take the cursor in the same transaction.';
    end if;
    if least(read_after.next, read_after.holes[1]) < state.pruned_below and state.pruned_below <= state.xmax then
        raise exception using
            errcode = 'PH003', column = 'since',
            message = 'the log no longer reaches back to the cursor: events after it were pruned',
            hint = read_after.advice;
    end if;
    open_now = array(
        select r.xid
        from unnest(state.running) as r (xid)
        where r.xid >= read_after.next or r.xid = any(read_after.holes)
        order by r.xid
    );
    next_after = read_after.next;
    holes_after = read_after.holes;
    loop
        window_end = null;
        oldest_above = null;
        if not whole then
            window_end = (
                select e.xid
                from pgherald.events as e
                where e.xid >= next_after::text::xid8
                order by e.xid, e.id
                offset size
                limit 1
            );
            oldest_above = (
                select min(e.id) from pgherald.events as e where e.xid >= window_end and e.xid is distinct from own
            );
        end if;
        with unseen as materialized (
            select
                u.xid::text::bigint as xid,
                max(u.id) as last,
                count(*) filter (
                    where read_after.types is null or u.type = any(read_after.types) or u.type = 'collection_reset'
                ) as matches
            from (
                select
                    e.xid,
                    e.id,
                    e.type
                from pgherald.events as e
                where
                    e.xid >= next_after::text::xid8
                    and (window_end is null or e.xid < window_end)
                    and e.xid is distinct from own
                union all
                select
                    e.xid,
                    e.id,
                    e.type
                from pgherald.events as e
                where e.xid = any(array(
                    select h.xid::text::xid8
                    from unnest(holes_after) as h (xid)
                    where h.xid <> all(state.running)
                ))
            ) as u
            group by u.xid
        ),
        counted as materialized (
            select
                n.*,
                sum(n.matches) over (order by n.last rows unbounded preceding) as total
            from unseen as n
            where oldest_above is null or n.last < oldest_above
        ),
        page as materialized (
            select c.*
            from counted as c
            where c.total <= greatest(read_after.max, (select min(o.total) from counted as o where o.total > 0))
        )
        select
            (select array_agg(p.xid order by p.last) from page as p),
            (select array_agg(p.matches order by p.last) from page as p),
            (
                select array_agg(n.xid order by n.xid)
                from unseen as n
                where n.xid < greatest(next_after, (select max(p.xid) + 1 from page as p))
            )
        into chosen, matches, unread;
        if state.pruned_below > state.xmax or unread[cardinality(unread)] >= state.xmax then
            raise exception using
                errcode = 'PH002', column = 'since',
                message = 'the log holds events of another cluster',
                hint = 'A running pgherald server empties such a log. ' || read_after.advice;
        end if;
        passed = 1;
        below = '{}';
        for i in 1 .. coalesce(cardinality(chosen), 0) loop
            next_after = greatest(next_after, chosen[i] + 1);
            while passed <= cardinality(unread) and unread[passed] < next_after loop
                below = below || unread[passed];
                passed = passed + 1;
            end loop;
            below = array_remove(below, chosen[i]);
            if matches[i] > 0 then
                read_xids = read_xids || chosen[i];
            end if;
            if read_xids <> '{}' and (i = cardinality(chosen) or matches[i + 1] > 0) then
                cursors = cursors || pgherald.cursor_text(state.epoch, next_after, array(
                    select b.xid from unnest(below) as b (xid)
                    union all
                    select o.xid from unnest(open_now) as o (xid) where o.xid < next_after
                    order by 1
                ), state.lsn);
            end if;
        end loop;
        exit when window_end is null or read_xids <> '{}';
        -- Behind a window without events of the types, a larger one follows. If nothing in it comes first, all
        -- transactions are looked at.
        whole = chosen is null;
        continue when whole;
        size = 8 * size;
        holes_after = array(
            select b.xid from unnest(below) as b (xid)
            union all
            select o.xid from unnest(open_now) as o (xid) where o.xid < next_after
            order by 1
        );
    end loop;
    holes_after = array(
        select b.xid from unnest(below) as b (xid)
        union all
        select o.xid from unnest(open_now) as o (xid) where o.xid < next_after
        order by 1
    );
    return query
    select
        e.id,
        e.xid::text,
        e.type,
        e.key,
        e.audience,
        e.data,
        e.at,
        case when e.id = max(e.id) over (partition by t.i) then t.spelled end,
        null::bigint,
        null::bigint []
    from unnest(read_xids, cursors) with ordinality as t (xid, spelled, i)
    inner join pgherald.events as e on e.xid = t.xid::text::xid8
    where read_after.types is null or e.type = any(read_after.types) or e.type = 'collection_reset'
    order by t.i, e.id;
    "cursor" = pgherald.cursor_text(state.epoch, next_after, holes_after, state.lsn);
    return next;
end
$$;

drop function if exists pgherald.mark_from(xid8);
drop function if exists pgherald.mark(bigint);
drop table if exists pgherald.marks;

drop function if exists pgherald.pay_resets(text[], interval);

create or replace function pgherald.reset_collection("table" text, key text, sqlstate text) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    known json = (
        select case when events.type = 'collection_reset' then events.data end
        from pgherald.events
        where events.xid = pg_current_xact_id_if_assigned()
        order by events.id desc
        limit 1
    );
    unknown_key boolean = reset_collection.key is null or length(reset_collection.key) > 200;
begin
    if known ->> 'table' = reset_collection."table" then
        if known ->> 'key' is null or known ->> 'key' = reset_collection.key then
            return;
        end if;
        unknown_key = true;
    end if;
    insert into pgherald.events (type, key, audience, data)
    select
        'collection_reset',
        null,
        null,
        json_strip_nulls(to_json(payload.*))
    from (
        select
            reset_collection."table" as "table",
            case when not unknown_key then reset_collection.key end as key,
            'expression' as reason,
            reset_collection.sqlstate as sqlstate
    ) as payload;
end
$$;

-- What is owed comes now: an older version does not know it.
lock table pgherald.owed_resets in access exclusive mode;

do $$
declare
    owed record;
begin
    for owed in
        select
            o."table",
            max(o.sqlstate) as sqlstate
        from pgherald.owed_resets as o
        group by o."table"
        order by o."table"
    loop
        insert into pgherald.events (type, data)
        values (
            'collection_reset',
            pg_catalog.json_build_object('table', owed."table", 'reason', 'expression', 'sqlstate', owed.sqlstate)
        );
        perform pgherald.wake(
            pg_catalog.json_build_object('table', owed."table", 'op', 'reset', 'xid', pg_catalog.pg_current_xact_id()::text)
        );
    end loop;
end
$$;

drop table if exists pgherald.owed_resets;
drop table if exists pgherald.held_resets;

create or replace function pgherald.publish(type text, data json, key text default null, audience text[] default null)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    if publish.type is null or publish.type collate "C" !~ '^[a-z][a-z0-9_.:-]{0,62}$' then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'type',
            message = 'an event type must be a lower-case letter and then up to 62 of a-z, 0-9, _ . : -';
    end if;
    if exists (select from pgherald.reserved_types as r where r.type = publish.type) then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'type',
            message = 'the event type ' || publish.type || ' is built in and cannot be published: choose another';
    end if;
    if publish.data is null then
        raise exception using
            errcode = 'invalid_parameter_value',
            column = 'data',
            message = 'the data of an event must be JSON: JSON''s own null is ''null''::json';
    end if;
    insert into pgherald.events (type, key, audience, data)
    values (publish.type, publish.key, publish.audience, publish.data)
    returning id into written;
    perform pgherald.wake(json_build_object('op', 'publish', 'type', publish.type, 'xid', pg_current_xact_id()::text));
    return written;
end
$$;
