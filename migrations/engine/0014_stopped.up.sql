-- compatible-from: 13
-- A server that stops says so. The others remove its users after the grace in which these may open a stream elsewhere,
-- and need not wait as long as for a server of which nothing is known.
alter table pgherald.replicas add column stopped_at timestamptz;

comment on column pgherald.replicas.stopped_at is 'When the server stopped; null while it runs, and if it was killed.';
