-- The engine: the event log, and one row that describes the log.

create schema pgherald;

comment on schema pgherald is
    'pgherald: the event log, and the trigger functions that append to it';

-- Only the owner may use this schema. Writers need no right on it: the trigger functions are
-- SECURITY DEFINER.
revoke all on schema pgherald from public;

-- Insert-only. The primary key serves both look-ups of a read (xid >= next, and xid = any(holes))
-- and keeps the events of one transaction together, in the order of writing.
--
-- The id sequence must keep CACHE 1. Transactions are delivered in the order of their last id, and
-- that is the commit order for each row only if a later insert always draws a larger id.
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
    -- Rows are never updated, so pages need no free space.
    fillfactor = 100,
    -- Vacuum sets the visibility map and freezes rows. Thresholds that grow with the table would
    -- start it too rarely on a large log.
    autovacuum_vacuum_insert_scale_factor = 0.0,
    autovacuum_vacuum_insert_threshold = 200000,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 50000
);

comment on table pgherald.events is
    'The event log. Triggers append to it in the writer''s own transaction; pgherald prunes it.';
comment on column pgherald.events.xid is 'The transaction that wrote the event.';
comment on column pgherald.events.at is 'The wall-clock time of the write.';
comment on column pgherald.events.key is 'Identifies the row that the event is about.';
comment on column pgherald.events.audience is 'Tags of the clients that may receive the event; null means every client.';

-- One row: the identity of the log, and how far back it reaches.
create table pgherald.log (
    singleton boolean primary key default true check (singleton),
    -- Identifies this log. A log that was dropped and created again has another id, which makes
    -- cursors into the old log recognizable.
    id uuid not null default gen_random_uuid(),
    -- Events of transactions below this one may have been pruned.
    pruned_below xid8 not null default '0'
);

comment on table pgherald.log is 'One row: the identity of the log, and how far back it reaches.';

insert into pgherald.log default values;
