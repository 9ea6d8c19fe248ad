-- compatible-from: 13
-- Services as consumers: pgherald forward sends the events to a URL, moves a consumer of pgherald.consumers after each
-- acknowledgement, and keeps what the receiver refuses.

alter table pgherald.consumers
-- Where pgherald forward sends the events, without secrets; null for a consumer of pgherald.consume.
add column forwards_to text,
-- The process that may move the consumer, until when. Every write of a runner checks both, so that a process which stood still
-- changes nothing afterwards.
add column runner text,
add column runs_until timestamptz,
-- Why the receiver has to load everything again, until it has acknowledged that.
add column reset text,
-- Since when nothing was acknowledged, and the last failure.
add column failing_since timestamptz,
add column failure text;

comment on table pgherald.consumers is
    'What the callers of pgherald.consume and the receivers of pgherald forward have seen. It keeps no event from being pruned.';

-- Events that a receiver has refused, and the later ones of the same rows. They stay until they are replayed or dropped.
create table pgherald.parked (
    place bigint generated always as identity primary key,
    consumer text not null references pgherald.consumers (name) on update cascade on delete cascade,
    -- Of the event.
    id bigint not null,
    -- Events of a lane are sent in the order of their ids: a hash of the collection and the key.
    lane text not null,
    type text not null,
    key text,
    envelope json not null,
    -- Of the envelope, so that their sum reads no envelope.
    bytes integer not null,
    attempts integer not null,
    -- Null if the event waits for an earlier one of its lane.
    failure text,
    parked_at timestamptz not null default clock_timestamp(),
    -- Whether the runner shall send the lane again.
    is_due boolean not null default false,
    unique (consumer, lane, id)
);

comment on table pgherald.parked is 'Events that receivers of pgherald forward have refused: see pgherald forward list.';

create trigger skip_replicated before insert or update or delete on pgherald.parked
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.parked enable replica trigger skip_replicated;

-- Makes a process the runner of a consumer, for the time of the lease, and returns where it continues. If another process is the runner,
-- it changes nothing and returns that one as active. The consumer begins at start if it is new.
create function pgherald.begin_forward(
    name text,
    forwards_to text,
    runner text,
    lease interval,
    start text default 'now',
    out active text,
    out next bigint,
    out holes bigint [],
    out reset text,
    out is_new boolean,
    -- Whether the log is the one to which next and holes belong.
    out is_same_log boolean,
    -- The newest recovery of PostgreSQL. Positions of before may have seen what it has lost.
    out recovery text
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    consumer pgherald.consumers;
begin
    if begin_forward.name is null or octet_length(begin_forward.name) not between 1 and 200 then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'name', message = 'the name of a consumer must have 1 to 200 bytes';
    end if;
    is_new = false;
    select c.* into consumer from pgherald.consumers as c where c.name = begin_forward.name for update;
    if not found then
        insert into pgherald.consumers as c (name, log, next, holes, forwards_to)
        select
            begin_forward.name,
            s.log,
            s.next::text::xid8,
            s.holes::text::xid8 [],
            begin_forward.forwards_to
        from pgherald.consumer_start(begin_forward.start) as s
        on conflict do nothing
        returning c.* into consumer;
        is_new = found;
        if not found then -- another process has just begun
            active = 'another process';
            return;
        end if;
    end if;
    if consumer.forwards_to is null and consumer.consumed_at is not null then
        raise exception using
            errcode = 'object_in_use', column = 'name',
            message = 'a job moves this consumer with pgherald.consume: choose another name';
    end if;
    if consumer.runs_until > clock_timestamp() and consumer.runner <> begin_forward.runner then
        active = consumer.runner;
        return;
    end if;
    update pgherald.consumers as c
    set
        forwards_to = begin_forward.forwards_to,
        runner = begin_forward.runner,
        runs_until = clock_timestamp() + begin_forward.lease
    where c.name = begin_forward.name;
    next = consumer.next::text::bigint;
    holes = consumer.holes::text::bigint [];
    reset = consumer.reset;
    is_same_log = consumer.log = (select s.log from pgherald.log_state() as s);
    recovery = (select r.id from pgherald.recovered as r);
end
$$;

comment on function pgherald.begin_forward(text, text, text, interval, text) is
    'Makes a process the runner of a consumer. For pgherald forward.';

revoke execute on function pgherald.begin_forward(text, text, text, interval, text) from public;

-- Makes the consumer of a runner continue now, and notes that its receiver has to load everything again. Returns false if the runner has
-- lost its lease, or PostgreSQL has recovered since the recovery that it knows.
create function pgherald.reset_forward(name text, runner text, recovery text, reason text) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update pgherald.consumers as c
    set
        log = s.log,
        next = s.next::text::xid8,
        holes = s.holes::text::xid8 [],
        reset = reset_forward.reason
    from pgherald.consumer_start('now') as s
    where
        c.name = reset_forward.name
        and c.runner = reset_forward.runner
        and c.runs_until > clock_timestamp()
        and exists (select from pgherald.recovered as r where r.id = reset_forward.recovery);
    return found;
end
$$;

comment on function pgherald.reset_forward(text, text, text, text) is
    'Makes a consumer continue now, after what it has not seen was pruned. For pgherald forward.';

revoke execute on function pgherald.reset_forward(text, text, text, text) from public;

-- As before, but not for a consumer that pgherald forward moves.
create or replace function pgherald.consume(name text, types text [] default null, max integer default 100, start text default 'now')
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
    if consumer.forwards_to is not null then
        raise exception using
            errcode = 'object_in_use', column = 'name',
            message = 'pgherald forward moves this consumer: choose another name',
            hint = 'pgherald.drop_consumer forgets it, with what it has parked.';
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

-- As before, but not while pgherald forward runs: what it has on its way would reach the receiver after the newer rows that it loads.
create or replace function pgherald.reset_consumer(name text, start text default 'now') returns void
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
    set
        log = excluded.log,
        next = excluded.next,
        holes = excluded.holes,
        runner = null,
        runs_until = null,
        reset = null
    where c.runs_until is null or c.runs_until <= clock_timestamp();
    if not found then
        raise exception using
            errcode = 'object_in_use', column = 'name',
            message = 'pgherald forward runs for this consumer, and may have older events on their way to its receiver',
            hint = 'Stop its processes. The lease of one that was killed ends after the time of its --lease.';
    end if;
end
$$;
