-- compatible-from: 13
-- The recoveries of PostgreSQL: crashes, failovers and restores. After each, transactions may be missing that
-- clients have received. Each begins a new epoch of cursors.

create table pgherald.recoveries (
    -- Names the epoch that the recovery began. That of the first row is the timeline, since servers of earlier
    -- versions named their epochs so.
    id text primary key,
    parent text,
    depth integer not null,
    timeline text not null,
    -- Up to where the write-ahead log of the parent survived; null if that is not known.
    replayed pg_lsn,
    at timestamptz not null default clock_timestamp(),
    -- Cursors of earlier epochs, each with a set of transactions that a server found in this one.
    confirmed text[] not null default '{}'
);

comment on table pgherald.recoveries is
    'One row for each crash or failover since the tables were created: which cursors of before are still right.';

-- Logical replication must not bring the rows of another cluster.
create trigger skip_replicated before insert or update or delete on pgherald.recoveries
for each row when (pg_catalog.current_setting('session_replication_role') operator(pg_catalog.=) 'replica')
execute function pgherald.skip_row();

alter table pgherald.recoveries enable replica trigger skip_replicated;

-- One row: the newest recovery. Every recovery empties this table, because it is unlogged. The first server that
-- finds it empty adds a row here and to pgherald.recoveries.
create unlogged table pgherald.recovered (
    singleton boolean primary key default true check (singleton),
    id text not null
);

comment on table pgherald.recovered is
    'One row that names the newest recovery, unless no server has noticed it yet.';

insert into pgherald.recoveries (id, depth, timeline)
select
    l.timeline,
    0,
    l.timeline
from (select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline) as l;

insert into pgherald.recovered (id)
select r.id
from pgherald.recoveries as r;
