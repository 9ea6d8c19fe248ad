-- The engine: the log of events, and one row about that log.

create schema pgherald;

comment on schema pgherald is
    'pgherald: the event log, and the trigger functions that append to it';

-- Nobody but the owner looks in here. Writers need no right on this schema: the trigger
-- functions are SECURITY DEFINER.
revoke all on schema pgherald from public;

-- Insert-only. The primary key answers the two look-ups of a read (xid >= next, and
-- xid = any(holes)) and keeps the events of one transaction together, in the order written.
--
-- The id sequence must keep CACHE 1: transactions are put in the order of their last id, and
-- that is the commit order of every row only if a later insert always draws a larger id.
create table pgherald.events (
    id bigint generated always as identity (cache 1),
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    type text not null,
    key text,
    audience text[],
    data json not null,
    primary key (xid, id)
)
with (
    -- Never updated, so pages may be filled to the brim.
    fillfactor = 100,
    -- Insert-only tables need vacuum for the visibility map and for freezing; thresholds by
    -- share of the table would come too rarely on a large log.
    autovacuum_vacuum_insert_scale_factor = 0.0,
    autovacuum_vacuum_insert_threshold = 200000,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 50000
);

comment on table pgherald.events is
    'What happened, appended by triggers in the writer''s own transaction. Pruned by pgherald.';
comment on column pgherald.events.xid is 'The transaction that wrote the event.';
comment on column pgherald.events.at is 'The wall clock when the event was written.';
comment on column pgherald.events.key is 'Which row the event is about.';
comment on column pgherald.events.audience is 'Who may hear it; null means everyone.';

-- One row about the log: which log it is, and how far back it reaches.
create table pgherald.log (
    singleton boolean primary key default true check (singleton),
    -- Names this log. A log that was dropped and made again has another id, so cursors into
    -- the old one are recognised.
    id uuid not null default gen_random_uuid(),
    -- Events of transactions below this may be gone.
    pruned_below xid8 not null default '0'
);

comment on table pgherald.log is 'One row: which log this is, and how far back it reaches.';

insert into pgherald.log default values;
