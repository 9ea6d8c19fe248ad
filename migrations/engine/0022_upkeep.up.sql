-- compatible-from: 13
-- Marks, for reads of a long backlog, and resets that wait, for tables whose every write would give one.

-- Marks in the log: how far its ids had come when a transaction began. A read of a long backlog in windows, by
-- transaction, must know the lowest id above the window, since events are delivered in the order of their ids. Without marks
-- that takes a look at all index entries above. With a mark above the window it takes those below the mark: each event of
-- a transaction from xid on has an id above id, because both numbers only grow, and a trigger draws the id when its transaction
-- has its number, as does pgherald.publish. A bare insert into the log draws the id a moment before: id is 1,000 lower than it
-- could be.
create table pgherald.marks (
    xid xid8 primary key default pg_current_xact_id(),
    id bigint not null,
    -- That of pgherald.log: marks of a log that was reset, or came with a dump, say nothing.
    log uuid not null
);

comment on table pgherald.marks is
    'Each event of a transaction from xid on has an id above id. Servers write a mark every 10,000 events.';

create trigger skip_replicated before insert or update or delete on pgherald.marks
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.marks enable replica trigger skip_replicated;

-- Writes a mark if the newest one is spacing ids below. It does nothing in a transaction that has a number: that is
-- older than the events that the function sees. Only servers may call it: the smaller the spacing, the more rows it writes.
create function pgherald.mark(spacing bigint default 10000) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    size bigint = greatest(coalesce(mark.spacing, 10000), 0);
    log record;
    newest bigint;
begin
    -- The log first: if it is reset after that, the mark is one of the old log, and says nothing.
    select
        l.id,
        l.pruned_below
    into log
    from pgherald.log as l;
    -- The log may have ids that the sequence did not give, and will give later: they say nothing of those to come.
    newest = (
        select least(max(e.id), (select s.last_value from pgherald.events_id_seq as s)) - least(size, 10000) / 10
        from (
            select e.id
            from pgherald.events as e
            order by e.xid desc, e.id desc
            limit 100
        ) as e
    );
    if
        newest is null
        or pg_current_xact_id_if_assigned() is not null
        or newest < size
        + coalesce((select m.id from pgherald.marks as m where m.log = log.id order by m.xid desc limit 1), 0)
    then
        return false;
    end if;
    -- The number of this transaction is drawn now, after newest.
    insert into pgherald.marks (id, log)
    values (newest, log.id)
    on conflict (xid) do update set id = excluded.id, log = excluded.log;
    delete from pgherald.marks as m where m.xid < log.pruned_below or m.log <> log.id;
    return true;
end
$$;

comment on function pgherald.mark(bigint) is 'Writes a mark into pgherald.marks if one is due. For servers.';

revoke execute on function pgherald.mark(bigint) from public;

-- A mark above the last id is not for the ids of a sequence that was set back.
create function pgherald.mark_from(from_xid xid8, out xid xid8, out id bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select
        m.xid,
        m.id
    from pgherald.marks as m
    where
        m.xid >= mark_from.from_xid
        and m.log = (select l.id from pgherald.log as l)
        and m.id <= (select s.last_value from pgherald.events_id_seq as s)
    order by m.xid
    limit 1
$$;

comment on function pgherald.mark_from(xid8) is 'The first mark from a transaction on. For servers.';

-- As before, but it looks at what is between the window and the next mark, not at everything above the window. So windows
-- can be smaller.
create or replace function pgherald.read_after(
    next bigint, holes bigint [], types text [], max integer, advice text, "window" integer default 2000
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
    oldest_above bigint; -- no event above the window has a lower id
    mark_xid xid8; -- the first mark above the window
    mark_id bigint;
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
            select
                m.xid,
                m.id
            into mark_xid, mark_id
            from pgherald.mark_from(window_end) as m;
            oldest_above = least(
                (
                    select min(e.id)
                    from pgherald.events as e
                    where
                        e.xid >= window_end
                        and (mark_xid is null or e.xid < mark_xid)
                        and e.xid is distinct from own
                ),
                mark_id + 1
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
        -- Behind a window without events of the types, a larger one follows, and in place of one of which nothing comes
        -- first. In the end, all transactions are looked at.
        size = 8 * size;
        if chosen is null then
            whole = size > 1000000;
            continue;
        end if;
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

comment on function pgherald.read_after(bigint, bigint [], text [], integer, text, integer) is
    'Reads the events that a cursor has not seen. For the functions of this schema.';

-- ---------------------------------------------------------------------------------------------------------------
-- Resets that wait
-- ---------------------------------------------------------------------------------------------------------------

-- After a column was dropped that the spec's SQL uses, every write to the table fails to give its events, and each of them
-- would let all clients load the collection again. While a table is held, such a write owes a reset instead: it
-- adds a row of its own, so that writers never wait for each other. Servers pay what is owed: one reset for all writes of an
-- interval, after they have committed.
create table pgherald.held_resets (
    "table" text primary key,
    -- From then on, writes give resets at once, also without a server.
    until timestamptz not null,
    paid_at timestamptz not null
);

comment on table pgherald.held_resets is 'Tables of which every write fails to give its events: their resets come once an interval.';

create trigger skip_replicated before insert or update or delete on pgherald.held_resets
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.held_resets enable replica trigger skip_replicated;

-- Rows come and go all the time, so that a share of them says nothing about when to vacuum.
create table pgherald.owed_resets (
    "table" text,
    xid xid8 default pg_current_xact_id(),
    sqlstate text not null,
    primary key ("table", xid)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

comment on table pgherald.owed_resets is 'Writes whose events could not be computed, and whose reset is yet to come.';

-- As those of pgherald.events: a write that a session applies owes its reset here, what another cluster's writes owe is not
-- for this one.
create trigger skip_foreign before insert on pgherald.owed_resets
for each row when (new.xid operator(pg_catalog.<>) pg_catalog.pg_current_xact_id())
execute function pgherald.skip_row();

alter table pgherald.owed_resets enable always trigger skip_foreign;

create trigger skip_replicated before update or delete on pgherald.owed_resets
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.owed_resets enable replica trigger skip_replicated;

-- As before, but a write to a held table owes its reset. The class 42 has the errors that do not depend on the row: a column,
-- a table, a function or a right is missing. A hold lasts less than a minute: one that ends later was written before the clock
-- stepped back. If a table is no longer held, the next write's reset is for all rows, and so for what is still owed: no server
-- may be there that pays it.
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
    if
        exists (
            select from pgherald.held_resets as h
            where
                h."table" = reset_collection."table"
                and h.until between clock_timestamp() and clock_timestamp() + interval '1 minute'
        )
    then
        if left(reset_collection.sqlstate, 2) = '42' then
            insert into pgherald.owed_resets ("table", sqlstate)
            values (reset_collection."table", reset_collection.sqlstate)
            on conflict do nothing;
            return;
        end if;
    elsif exists (select from pgherald.owed_resets as o where o."table" = reset_collection."table") then
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

-- Pays what is owed, except for tables that were paid within the spacing. Holds the tables in failing, of which a server has
-- just read resets. They call it every 10 s, and without a spacing when they end: that ends the holds, too. Each statement sees what was
-- committed before it: what is deleted was committed before the reset is written. Any number of servers may call it: the row of a held
-- table lets one of them pay. All lock these rows in the order of their names, so they never wait for each other in a circle.
create function pgherald.pay_resets(failing text [], spacing interval default '9 seconds') returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    owed record;
    due boolean;
    paid integer = 0;
begin
    if cardinality(pay_resets.failing) = 0 and not exists (select from pgherald.owed_resets) then
        delete from pgherald.held_resets as h
        where h."table" in (select e."table" from pgherald.held_resets as e where e.until < clock_timestamp() for update skip locked);
        return 0;
    end if;
    for owed in
        select
            n.name as "table",
            (select max(o.sqlstate) from pgherald.owed_resets as o where o."table" = n.name) as sqlstate
        from (
            select o."table"
            from pgherald.owed_resets as o
            union
            select f.name
            from unnest(pay_resets.failing) as f (name)
        ) as n (name)
        order by n.name
    loop
        -- After a step back of the clock, a payment lies in the future, and says nothing.
        insert into pgherald.held_resets as h ("table", until, paid_at)
        values (owed."table", clock_timestamp() + 3 * pay_resets.spacing, clock_timestamp())
        on conflict ("table") do update
        set until = excluded.until, paid_at = excluded.paid_at
        where
            owed.sqlstate is not null
            and (
                h.paid_at <= excluded.paid_at - pay_resets.spacing
                or h.paid_at > excluded.paid_at + pay_resets.spacing
            );
        due = found;
        if not due and owed."table" = any(pay_resets.failing) then
            update pgherald.held_resets as h
            set until = clock_timestamp() + 3 * pay_resets.spacing
            where h."table" = owed."table";
        end if;
        continue when not due or owed.sqlstate is null;
        delete from pgherald.owed_resets as o where o."table" = owed."table";
        continue when not found; -- another server was faster
        insert into pgherald.events (type, data)
        values (
            'collection_reset',
            json_build_object('table', owed."table", 'reason', 'expression', 'sqlstate', owed.sqlstate)
        );
        perform pgherald.wake(json_build_object('table', owed."table", 'op', 'reset', 'xid', pg_current_xact_id()::text));
        paid = paid + 1;
    end loop;
    return paid;
end
$$;

comment on function pgherald.pay_resets(text [], interval) is
    'Writes the resets that writes owe, one for each table, and holds those of the named tables from now on. For servers.';

revoke execute on function pgherald.pay_resets(text [], interval) from public;

-- ---------------------------------------------------------------------------------------------------------------
-- Published events
-- ---------------------------------------------------------------------------------------------------------------

-- As before, but the transaction has its number before the event has its id: see pgherald.marks.
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
    perform pg_current_xact_id();
    insert into pgherald.events (type, key, audience, data)
    values (publish.type, publish.key, publish.audience, publish.data)
    returning id into written;
    perform pgherald.wake(json_build_object('op', 'publish', 'type', publish.type, 'xid', pg_current_xact_id()::text));
    return written;
end
$$;
