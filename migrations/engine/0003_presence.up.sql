-- Presence: which users have a stream open, and at which server.

create table pgherald.replicas (
    id text primary key,
    -- When the server last wrote here. Other servers expire one that has stopped writing: it was
    -- killed, or cannot reach the database.
    last_seen timestamptz not null default clock_timestamp()
);

comment on table pgherald.replicas is 'The servers with open streams, and when each of them last wrote here.';

create table pgherald.presence (
    user_id text,
    replica text,
    since timestamptz not null default clock_timestamp(),
    primary key (user_id, replica)
);

-- Finds the users of a server that expired.
create index presence_by_replica on pgherald.presence (replica);

comment on table pgherald.presence is
    'One row for each user and server: the user has a stream open there, or closed the last one moments ago.';
