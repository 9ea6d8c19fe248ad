-- compatible-from: 13
-- The log for programs that speak SQL: the cursor of a snapshot, the number of a transaction, the events after a
-- cursor, and consumers that remember theirs. stream/cursor.go and stream/cursor_text.go say what a cursor is and
-- how it is spelled; a property test compares the functions here with that code, and with db/eventlog, which reads
-- the log for servers.
--
-- A cursor is an epoch, next and holes: all transactions below next except the holes. Numbers are bigints: a
-- cluster that has begun 2^61 transactions does not exist, and a cursor that says otherwise is malformed.
--
-- Errors about cursors have SQLSTATEs of the class PH: PH001 malformed, PH002 other_log, PH003 pruned, PH004 future.

-- ---------------------------------------------------------------------------------------------------------------
-- The text of a cursor
-- ---------------------------------------------------------------------------------------------------------------

create function pgherald.base36(n numeric) returns text
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    digits constant text = '0123456789abcdefghijklmnopqrstuvwxyz';
    rest numeric = base36.n;
    spelled text = '';
begin
    loop
        spelled = substr(digits, (rest % 36)::integer + 1, 1) || spelled;
        rest = div(rest, 36);
        exit when rest = 0;
    end loop;
    return spelled;
end
$$;

comment on function pgherald.base36(numeric) is 'Spells a number as cursors do. For the functions of this schema.';

revoke execute on function pgherald.base36(numeric) from public;

create function pgherald.from_base36(spelled text) returns bigint
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    digits constant text = '0123456789abcdefghijklmnopqrstuvwxyz';
    n numeric = 0;
begin
    if from_base36.spelled collate "C" !~ '^(0|[1-9a-z][0-9a-z]{0,12})$' then
        return null;
    end if;
    for i in 1 .. length(from_base36.spelled) loop
        n = n * 36 + strpos(digits, substr(from_base36.spelled, i, 1)) - 1;
    end loop;
    return case when n < 2305843009213693952 then n end; -- 2^61
end
$$;

comment on function pgherald.from_base36(text) is
    'Reads what base36 spells; null if it is nothing of the kind. For the functions of this schema.';

revoke execute on function pgherald.from_base36(text) from public;

-- The distances from next down to each hole, in Exp-Golomb codes of the order that makes the text shortest, in
-- base64url: see appendGaps in stream/cursor_gaps.go. varbit_send gives four bytes of length, and then the bits.
create function pgherald.holes_text(next bigint, holes bigint []) returns text
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        with gaps as materialized (
            select
                u.i,
                coalesce(lead(u.hole) over (order by u.i), holes_text.next) - u.hole as gap
            from unnest(holes_text.holes) with ordinality as u (hole, i)
        ),
        lengths as materialized (
            select
                length(ltrim((g.gap - 1)::bit(64)::text, '0')) as bits,
                count(*) as times
            from gaps as g
            group by 1
        ),
        best as materialized (
            select o.k
            from generate_series(
                greatest(0, (select min(l.bits) from lengths as l) - 1), (select max(l.bits) from lengths as l)
            ) as o (k)
            order by (select sum(l.times * (2 * greatest(l.bits, o.k + 1) - o.k - 1)) from lengths as l), o.k
            limit 1
        ),
        codes as (
            select
                g.i,
                b.k,
                ltrim((g.gap - 1 + (1::bigint << b.k))::bit(64)::text, '0') as digits
            from gaps as g
            cross join best as b
        )
        select translate(
            rtrim(replace(encode(substr(varbit_send((
                max(c.k)::bit(6)::text || string_agg(repeat('0', length(c.digits) - c.k - 1) || c.digits, '' order by c.i desc)
            )::bit varying), 5), 'base64'), chr(10), ''), '='),
            '+/', '-_'
        )
        from codes as c
    );
end
$$;

comment on function pgherald.holes_text(bigint, bigint []) is
    'Spells the holes of a cursor. For the functions of this schema.';

revoke execute on function pgherald.holes_text(bigint, bigint []) from public;

-- Null if the text is no list of holes. The caller must check that holes_text spells the result so.
create function pgherald.parse_holes(next bigint, spelled text) returns bigint []
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    bits text;
    begin_at integer = 7;
    k integer;
    zeros integer;
    digits text;
    hole bigint = parse_holes.next;
    gap bigint;
    holes bigint [] = '{}';
begin
    if parse_holes.spelled collate "C" !~ '^[A-Za-z0-9_-]+$' or length(parse_holes.spelled) % 4 = 1 then
        return null;
    end if;
    bits = ('x' || encode(decode(
        translate(parse_holes.spelled, '-_', '+/') || repeat('=', (4 - length(parse_holes.spelled) % 4) % 4), 'base64'
    ), 'hex'))::bit varying::text;
    k = substr(bits, 1, 6)::bit(6)::integer;
    loop
        if begin_at > 512 then -- finding the nth character takes time in proportion to n
            bits = substr(bits, begin_at);
            begin_at = 1;
        end if;
        zeros = strpos(substr(bits, begin_at, 64), '1') - 1;
        exit when zeros < 0; -- the padding
        digits = substr(bits, begin_at + zeros, zeros + k + 1);
        if zeros + k + 1 > 62 or length(digits) < zeros + k + 1 then
            return null;
        end if;
        gap = lpad(digits, 64, '0')::bit(64)::bigint - (1::bigint << k) + 1;
        if gap > hole or cardinality(holes) = 2000 then
            return null;
        end if;
        hole = hole - gap;
        holes = holes || hole;
        begin_at = begin_at + 2 * zeros + k + 1;
    end loop;
    return array(select u.h from unnest(holes) with ordinality as u (h, i) order by u.i desc);
end
$$;

comment on function pgherald.parse_holes(bigint, text) is
    'Reads what holes_text spells; null if it is nothing of the kind. For the functions of this schema.';

revoke execute on function pgherald.parse_holes(bigint, text) from public;

create function pgherald.cursor_spelling(epoch text, next bigint, holes bigint [], lsn bigint, is_cut boolean)
returns text
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select
            cursor_spelling.epoch || '-' || pgherald.base36(cursor_spelling.next)
            || case
                when cursor_spelling.lsn <> 0 or cardinality(cursor_spelling.holes) > 0 or cursor_spelling.is_cut
                then '~' || pgherald.base36(cursor_spelling.lsn)
                else ''
            end
            || case
                when cardinality(cursor_spelling.holes) > 0
                then '-' || pgherald.holes_text(cursor_spelling.next, cursor_spelling.holes)
                else ''
            end
            || case when cursor_spelling.is_cut then '~' else '' end
    );
end
$$;

comment on function pgherald.cursor_spelling(text, bigint, bigint [], bigint, boolean) is
    'Spells a cursor, however long that is. For the functions of this schema.';

revoke execute on function pgherald.cursor_spelling(text, bigint, bigint [], bigint, boolean) from public;

-- If the text would exceed 2,048 bytes or 2,000 holes, the set is cut off at the highest hole with which it fits,
-- as stream.Cursor.String does. A client that continues after it receives events again, and misses none.
create function pgherald.cursor_text(epoch text, next bigint, holes bigint [], lsn bigint) returns text
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    n constant integer = cardinality(cursor_text.holes);
    room constant integer = 2048 - length(cursor_text.epoch) - 30; -- for the holes
    low integer = 1;
    high integer = n;
    middle integer;
begin
    -- 60 holes fit, whatever their distances.
    if n <= 60 or n <= 2000 and length(pgherald.holes_text(cursor_text.next, cursor_text.holes)) <= room then
        return pgherald.cursor_spelling(cursor_text.epoch, cursor_text.next, cursor_text.holes, cursor_text.lsn, false);
    end if;
    while low < high loop -- the fewest holes, counted from the top, to leave out
        middle = (low + high) / 2;
        if
            n - middle = 0
            or n - middle <= 2000 and length(pgherald.holes_text(
                cursor_text.holes[n - middle + 1], cursor_text.holes[: n - middle]
            )) <= room
        then
            high = middle;
        else
            low = middle + 1;
        end if;
    end loop;
    return pgherald.cursor_spelling(
        cursor_text.epoch, cursor_text.holes[n - low + 1], cursor_text.holes[: n - low], cursor_text.lsn, true
    );
end
$$;

comment on function pgherald.cursor_text(text, bigint, bigint [], bigint) is
    'Spells a cursor within its bounds. For the functions of this schema.';

revoke execute on function pgherald.cursor_text(text, bigint, bigint [], bigint) from public;

-- All columns are null if the text is malformed.
create function pgherald.parse_cursor(
    spelled text, out epoch text, out next bigint, out holes bigint [], out lsn bigint
)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    part text [];
    gap bigint;
    is_canonical boolean;
begin
    if parse_cursor.spelled is null or octet_length(parse_cursor.spelled) > 2048 then
        return;
    end if;
    part = regexp_match(
        parse_cursor.spelled collate "C", '^([a-z0-9]{1,16})-([0-9a-z]+)~([0-9a-z]+)(?:-([A-Za-z0-9_-]*))?(~)?$'
    );
    if part is not null then
        parse_cursor.next = pgherald.from_base36(part[2]);
        parse_cursor.lsn = pgherald.from_base36(part[3]);
        parse_cursor.holes = case when part[4] is null then '{}' else pgherald.parse_holes(parse_cursor.next, part[4]) end;
        is_canonical = pgherald.cursor_spelling(
            part[1], parse_cursor.next, parse_cursor.holes, parse_cursor.lsn, part[5] is not null
        ) = parse_cursor.spelled;
    else -- the form of earlier versions: without LSN, and with the distances as numbers
        part = regexp_match(parse_cursor.spelled collate "C", '^([a-z0-9]{1,16})-([0-9a-z]+)(?:-([0-9a-z.]*))?$');
        parse_cursor.next = pgherald.from_base36(part[2]);
        parse_cursor.lsn = 0;
        parse_cursor.holes = '{}';
        is_canonical = parse_cursor.next is not null;
        if is_canonical and part[3] is not null then
            parse_cursor.holes = array(
                select parse_cursor.next - sum(pgherald.from_base36(g.spelled)) over (order by g.i)
                from unnest(string_to_array(part[3], '.')) with ordinality as g (spelled, i)
            );
            is_canonical = part[3] <> '' and (
                select coalesce(bool_and(coalesce(pgherald.from_base36(g.spelled), 0) > 0), false)
                from unnest(string_to_array(part[3], '.')) as g (spelled)
            ) and parse_cursor.holes[cardinality(parse_cursor.holes)] >= 0;
            parse_cursor.holes = array(
                select u.h from unnest(parse_cursor.holes) with ordinality as u (h, i) order by u.i desc
            );
        end if;
    end if;
    if is_canonical then
        parse_cursor.epoch = part[1];
    else
        parse_cursor.next = null;
        parse_cursor.holes = null;
        parse_cursor.lsn = null;
    end if;
end
$$;

comment on function pgherald.parse_cursor(text) is
    'Reads the text of a cursor; nulls if it is malformed. For the functions of this schema.';

revoke execute on function pgherald.parse_cursor(text) from public;

-- ---------------------------------------------------------------------------------------------------------------
-- The state of the log
-- ---------------------------------------------------------------------------------------------------------------

-- The last six digits in base 36 of the first eight bytes of a hash: see epoch in db/eventlog/state.go.
create function pgherald.epoch(identity text) returns text
language plpgsql
immutable strict
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select right('000000' || pgherald.base36(sum(get_byte(h.bytes, b.i) * trunc(power(256::numeric, 7 - b.i)))), 6)
        from (select sha256(convert_to(epoch.identity, 'UTF8')) as bytes) as h
        cross join generate_series(0, 7) as b (i)
    );
end
$$;

comment on function pgherald.epoch(text) is
    'Names the log of a cluster after a recovery. For the functions of this schema.';

revoke execute on function pgherald.epoch(text) from public;

-- The state of the log in the snapshot of the statement that calls it, which must not be a statement of its own:
-- the function is stable, so that all of its statements have that snapshot. The position in the write-ahead
-- log is read after the snapshot was taken, so every transaction in the snapshot has committed below it.
--
-- running includes the calling transaction: what it has written, and may still write, comes after it has committed.
create function pgherald.log_state(
    out log text, out epoch text, out pruned_below bigint, out xmax bigint, out running bigint [], out lsn bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    recovery text;
begin
    select
        case
            when has_function_privilege('pg_control_system()', 'execute')
            then (select c.system_identifier::text || '/' from pg_control_system() as c)
            else ''
        end || (select d.oid::text from pg_database as d where d.datname = current_database()) || '/' || l.id::text,
        l.pruned_below::text::bigint,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        array(
            select r.xid
            from (
                select s.xid::text::bigint as xid from pg_snapshot_xip(pg_current_snapshot()) as s (xid)
                union
                select pg_current_xact_id_if_assigned()::text::bigint
            ) as r
            where r.xid is not null
            order by r.xid
        ),
        (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
    into log_state.log, log_state.pruned_below, log_state.xmax, log_state.running, log_state.lsn
    from pgherald.log as l;
    if log_state.log is null then
        raise exception using
            errcode = 'object_not_in_prerequisite_state', message = 'pgherald.log has no row: run pgherald migrate up';
    end if;
    select r.id into recovery from pgherald.recovered as r;
    if recovery is null then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'PostgreSQL has recovered from a crash or failover, and no pgherald server has recorded that yet',
            hint = 'Try again in a moment, in a new transaction. A running server records it within a second.';
    end if;
    log_state.epoch = pgherald.epoch(log_state.log || '/' || recovery);
end
$$;

comment on function pgherald.log_state() is
    'The state of the log in the snapshot of the calling statement. For the functions of this schema.';

revoke execute on function pgherald.log_state() from public;

-- Whether the cursor is a subset of the union of those that servers have confirmed for its epoch. Let the top one be
-- that which reaches furthest. The union lacks a hole of it unless another one has seen it, and everything above.
create function pgherald.is_confirmed(confirmed text [], epoch text, next bigint, holes bigint []) returns boolean
language sql
stable strict
set search_path = pg_catalog, pg_temp
as $$
    with known as materialized (
        select
            p.next,
            p.holes,
            row_number() over (order by p.next desc) as i
        from unnest(is_confirmed.confirmed) as t (spelled)
        cross join lateral pgherald.parse_cursor(t.spelled) as p
        where p.epoch = is_confirmed.epoch
    )
    select coalesce(
        (
            select
                not exists (
                    select
                    from unnest(top.holes) as h (xid)
                    where
                        h.xid < is_confirmed.next
                        and h.xid <> all(is_confirmed.holes)
                        and not exists (
                            select from known as k where k.i > 1 and h.xid < k.next and h.xid <> all(k.holes)
                        )
                )
                and is_confirmed.next - top.next
                <= (select count(*) from unnest(is_confirmed.holes) as h (xid) where h.xid >= top.next)
            from known as top
            where top.i = 1
        ),
        false
    )
$$;

comment on function pgherald.is_confirmed(text [], text, bigint, bigint []) is
    'Whether servers have found everything in a cursor after a recovery. For the functions of this schema.';

revoke execute on function pgherald.is_confirmed(text [], text, bigint, bigint []) from public;

-- Whether a cursor of an earlier epoch is right in the present one: stream/lineage.go has the rule and its proof. Null
-- if servers may still record what proves it.
create function pgherald.resolve_cursor(epoch text, next bigint, holes bigint [], lsn bigint) returns boolean
language plpgsql
stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    state record;
    recovery record;
    present text = resolve_cursor.epoch; -- that in which the cursor is known to be right
    proof bigint = resolve_cursor.lsn;
    survived bigint; -- all recoveries since that epoch, 0 if that is not known
begin
    select s.* into state from pgherald.log_state() as s;
    for recovery in
        with recursive chain as (
            select r.*
            from pgherald.recoveries as r
            where r.id = (select c.id from pgherald.recovered as c)
            union all
            select r.*
            from chain as c
            inner join pgherald.recoveries as r on r.id = c.parent
            where r.depth < c.depth
        ),
        newest as materialized (
            select
                c.depth,
                c.confirmed,
                c.at,
                pgherald.epoch(state.log || '/' || c.id) as epoch,
                pgherald.epoch(state.log || '/' || c.parent) as parent,
                -- Readers saw the position behind the next page's header if a page ended there.
                coalesce(
                    (c.replayed - '0/0'::pg_lsn)::bigint + case
                        when (c.replayed - '0/0'::pg_lsn) % current_setting('wal_block_size')::numeric = 0 then 40 else 0
                    end,
                    0
                ) as survived
            from chain as c
            order by c.depth desc
            limit 100
        )
        select
            n.*,
            bool_or(n.parent = resolve_cursor.epoch) over (order by n.depth) as is_after
        from newest as n
        order by n.depth
    loop
        continue when recovery.is_after is not true;
        survived = least(coalesce(survived, recovery.survived), recovery.survived);
        if
            present = recovery.parent and proof <> 0 and proof <= recovery.survived
            or pgherald.is_confirmed(recovery.confirmed, present, resolve_cursor.next, resolve_cursor.holes)
        then
            present = recovery.epoch;
            proof = case when proof = 0 then survived else least(proof, survived) end;
            survived = null;
        end if;
    end loop;
    return case
        when present = state.epoch then true
        when clock_timestamp() - recovery.at >= interval '3 seconds' then false
        when recovery.is_after then null
        else false
    end;
end
$$;

comment on function pgherald.resolve_cursor(text, bigint, bigint [], bigint) is
    'Whether a cursor of an earlier epoch is right in the present one. For the functions of this schema.';

revoke execute on function pgherald.resolve_cursor(text, bigint, bigint [], bigint) from public;

-- ---------------------------------------------------------------------------------------------------------------
-- Reading
-- ---------------------------------------------------------------------------------------------------------------

create function pgherald.xid() returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select pg_current_xact_id()::text
$$;

comment on function pgherald.xid() is
    'The number of the calling transaction, as the xid of its events on streams. A transaction that has written nothing gets a number by the call.';

revoke execute on function pgherald.xid() from public;

-- Next is above the newest visible event, and not the end of the snapshot: see stream.Cursor.Deliver. The two
-- look-ups pass over the events of the calling transaction, of which there may be a million.
create function pgherald.cursor() returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    state record;
    own xid8 = coalesce(pg_current_xact_id_if_assigned(), '0');
    next bigint;
begin
    select s.* into state from pgherald.log_state() as s;
    next = greatest(
        state.pruned_below,
        1 + (select e.xid from pgherald.events as e where e.xid > own order by e.xid desc limit 1)::text::bigint,
        1 + (select e.xid from pgherald.events as e where e.xid < own order by e.xid desc limit 1)::text::bigint
    );
    return pgherald.cursor_text(
        state.epoch, next, array(select r.xid from unnest(state.running) as r (xid) where r.xid < next), state.lsn
    );
end
$$;

comment on function pgherald.cursor() is
    'The cursor of the snapshot of the calling statement: a stream opened with ?since= it continues exactly where the statement ends.';

revoke execute on function pgherald.cursor() from public;

-- Reads what a cursor of the present epoch has not seen: as many whole transactions, in the order of their last
-- events, as have max events of the types together, but at least one that has some. The last row has no id: it has the
-- cursor after everything that was read, as text and as numbers. Every statement in here has the snapshot of the
-- caller's: see log_state. advice is the hint of the errors.
--
-- To know which transaction comes next, one must know the last events of all. A long backlog is read in windows instead:
-- transactions below a number. Those of them come first whose last events are older than every event above the window.
-- All are looked at only if there are none, as beside a transaction that is as large as the window.
create function pgherald.read_after(
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

comment on function pgherald.read_after(bigint, bigint [], text [], integer, text, integer) is
    'Reads the events that a cursor has not seen. For the functions of this schema.';

revoke execute on function pgherald.read_after(bigint, bigint [], text [], integer, text, integer) from public;

create function pgherald.events_since(since text, types text [] default null, max integer default 100)
returns table (
    id bigint,
    xid text,
    type text,
    key text,
    audience text [],
    data json,
    at timestamptz,
    "cursor" text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    advice constant text = 'Load everything again, with pgherald.cursor() in the same REPEATABLE READ transaction, and continue after that cursor.';
    given record;
    is_right boolean;
begin
    select p.* into given from pgherald.parse_cursor(events_since.since) as p;
    if given.epoch is null then
        raise exception using
            errcode = 'PH001', column = 'since',
            message = 'this is no cursor',
            hint = 'Give a cursor of pgherald.cursor(), of events_since, of a list, or of the id line of a stream, unchanged.';
    end if;
    if given.epoch <> (select s.epoch from pgherald.log_state() as s) then
        is_right = pgherald.resolve_cursor(given.epoch, given.next, given.holes, given.lsn);
        if is_right is null then
            raise exception using
                errcode = 'object_not_in_prerequisite_state', column = 'since',
                message = 'PostgreSQL has recovered from a crash or failover, and it is not known yet whether that lost something that the cursor has seen',
                hint = 'Try again in a moment, in a new transaction.';
        elsif not is_right then
            raise exception using
                errcode = 'PH002', column = 'since',
                message = 'the cursor belongs to another log, or a recovery of PostgreSQL may have lost something that it has seen',
                hint = advice;
        end if;
    end if;
    return query
    select r.id, r.xid, r.type, r.key, r.audience, r.data, r.at, r.cursor
    from pgherald.read_after(given.next, given.holes, events_since.types, events_since.max, advice) as r
    where r.id is not null;
end
$$;

comment on function pgherald.events_since(text, text [], integer) is
    'The events that a cursor has not seen, in whole transactions. The last event of each has the cursor after it.';

revoke execute on function pgherald.events_since(text, text [], integer) from public;

-- ---------------------------------------------------------------------------------------------------------------
-- Consumers
-- ---------------------------------------------------------------------------------------------------------------

-- What each consumer has seen. A cursor needs a proof that a recovery of PostgreSQL has lost nothing that its owner
-- knows of. These need none: whatever loses a transaction that a consumer has seen also loses the later commit of
-- the row that says so.
create table pgherald.consumers (
    name text primary key check (octet_length(name) between 1 and 200),
    -- The cluster, the database and the id of the log.
    log text not null,
    -- The transactions below, except the holes.
    next xid8 not null,
    holes xid8 [] not null,
    created_at timestamptz not null default clock_timestamp(),
    consumed_at timestamptz
);

comment on table pgherald.consumers is
    'What the callers of pgherald.consume have seen, and when they last called. It keeps no event from being pruned.';

create trigger skip_replicated before insert or update or delete on pgherald.consumers
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.consumers enable replica trigger skip_replicated;

-- Where a consumer begins: now, at the oldest event, or after a cursor.
create function pgherald.consumer_start(start text, out log text, out next bigint, out holes bigint [])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    state record;
    given record;
begin
    select s.* into state from pgherald.log_state() as s;
    consumer_start.log = state.log;
    if consumer_start.start = 'oldest' then
        consumer_start.next = state.pruned_below;
        consumer_start.holes = '{}';
        return;
    end if;
    select p.* into given
    from pgherald.parse_cursor(case when consumer_start.start = 'now' then pgherald.cursor() else consumer_start.start end) as p;
    if given.epoch is null then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'start',
            message = 'a consumer starts at now, at oldest, or after a cursor';
    end if;
    if given.epoch <> state.epoch and pgherald.resolve_cursor(given.epoch, given.next, given.holes, given.lsn) is not true then
        raise exception using
            errcode = 'PH002', column = 'start',
            message = 'the cursor belongs to another log, or a recovery of PostgreSQL may have lost something that it has seen',
            hint = 'Start at now or at oldest.';
    end if;
    consumer_start.next = given.next;
    consumer_start.holes = given.holes;
end
$$;

comment on function pgherald.consumer_start(text) is 'Where a consumer begins. For the functions of this schema.';

revoke execute on function pgherald.consumer_start(text) from public;

create function pgherald.consume(name text, types text [] default null, max integer default 100, start text default 'now')
returns table (
    id bigint,
    xid text,
    type text,
    key text,
    audience text [],
    data json,
    at timestamptz,
    "cursor" text
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    advice constant text = 'Load everything again and call pgherald.reset_consumer(' || quote_nullable(consume.name)
    || '), both in one REPEATABLE READ transaction.';
    consumer pgherald.consumers;
    r record;
begin
    if consume.name is null or octet_length(consume.name) not between 1 and 200 then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'name', message = 'the name of a consumer must have 1 to 200 bytes';
    end if;
    select c.* into consumer from pgherald.consumers as c where c.name = consume.name for update skip locked;
    if not found then
        insert into pgherald.consumers as c (name, log, next, holes)
        select
            consume.name,
            s.log,
            s.next::text::xid8,
            s.holes::text::xid8 []
        from pgherald.consumer_start(consume.start) as s
        where not exists (select from pgherald.consumers as o where o.name = consume.name)
        on conflict do nothing
        returning c.* into consumer;
        if not found then -- another session is consuming
            return;
        end if;
    end if;
    if consumer.log <> (select s.log from pgherald.log_state() as s) then
        raise exception using
            errcode = 'PH002', column = 'name',
            message = 'the consumer belongs to another log: this one was reset, or came from another database',
            hint = advice;
    end if;
    for r in
        select a.*
        from pgherald.read_after(
            consumer.next::text::bigint, consumer.holes::text::bigint [], consume.types, consume.max, advice
        ) as a
    loop
        if r.id is not null then
            id = r.id;
            xid = r.xid;
            type = r.type;
            key = r.key;
            audience = r.audience;
            data = r.data;
            at = r.at;
            "cursor" = r.cursor;
            return next;
        else
            update pgherald.consumers as c
            set
                next = r.next_after::text::xid8,
                holes = r.holes_after::text::xid8 [],
                consumed_at = clock_timestamp()
            where c.name = consume.name;
        end if;
    end loop;
end
$$;

comment on function pgherald.consume(text, text [], integer, text) is
    'The events that a named consumer has not seen, and, with the commit of the calling transaction, has seen then. No rows if there are none or if another session is consuming for it.';

revoke execute on function pgherald.consume(text, text [], integer, text) from public;

create function pgherald.reset_consumer(name text, start text default 'now') returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if reset_consumer.name is null or octet_length(reset_consumer.name) not between 1 and 200 then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'name', message = 'the name of a consumer must have 1 to 200 bytes';
    end if;
    insert into pgherald.consumers as c (name, log, next, holes)
    select
        reset_consumer.name,
        s.log,
        s.next::text::xid8,
        s.holes::text::xid8 []
    from pgherald.consumer_start(reset_consumer.start) as s
    on conflict on constraint consumers_pkey do update
    set log = excluded.log, next = excluded.next, holes = excluded.holes;
end
$$;

comment on function pgherald.reset_consumer(text, text) is
    'Makes a consumer continue from now on, from the oldest event on (oldest), or after a cursor. Creates it if it does not exist.';

revoke execute on function pgherald.reset_consumer(text, text) from public;

create function pgherald.drop_consumer(name text) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from pgherald.consumers as c where c.name = drop_consumer.name;
    return found;
end
$$;

comment on function pgherald.drop_consumer(text) is 'Removes a consumer. Returns false if there was none.';

revoke execute on function pgherald.drop_consumer(text) from public;
