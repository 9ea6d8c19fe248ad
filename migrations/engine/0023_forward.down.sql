drop function if exists pgherald.begin_forward(text, text, text, interval, text);
drop function if exists pgherald.reset_forward(text, text, text, text);
drop table if exists pgherald.parked;

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
    set log = excluded.log, next = excluded.next, holes = excluded.holes;
end
$$;

-- An older version takes a consumer of pgherald forward for one of pgherald.consume, with the same position.
alter table pgherald.consumers
drop column forwards_to,
drop column runner,
drop column runs_until,
drop column reset,
drop column failing_since,
drop column failure;

comment on table pgherald.consumers is
    'What the callers of pgherald.consume have seen, and when they last called. It keeps no event from being pruned.';
