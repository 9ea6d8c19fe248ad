-- What servers remember while they watch the triggers, so that clients learn once of missed events.

-- A table in here has or had triggers that missed writes: its name as in the spec. A server that
-- adds or removes a row appends a collection_reset for the table in the same transaction. Apply and drop add
-- the tables whose triggers they remove, without an event: a later apply appends it.
create table pgherald.drift (
    table_name text primary key,
    since timestamptz not null default clock_timestamp()
);

comment on table pgherald.drift is
    'Tables whose writes may give no event at present. Clients receive a collection_reset when a row comes or goes.';

-- One row, which a crash removes together with the rows of every unlogged table. A server that misses the row
-- inserts it again and appends a collection_reset for each watched table that is unlogged.
create unlogged table pgherald.since_crash (
    singleton boolean primary key default true check (singleton),
    at timestamptz not null default clock_timestamp()
);

comment on table pgherald.since_crash is
    'One row, unless a crash or failover has emptied the unlogged tables and no server has noticed yet.';

insert into pgherald.since_crash default values;
