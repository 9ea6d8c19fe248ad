-- Who is online: which users have a stream open, and at which server.

create table pgherald.replicas (
    id text primary key,
    -- When the server last wrote here. The others bury one that has not for a while: it was killed,
    -- or cannot reach the database.
    seen timestamptz not null default clock_timestamp()
);

comment on table pgherald.replicas is 'The servers that have streams open, and when each was last heard of.';

create table pgherald.presence (
    user_id text,
    replica text,
    since timestamptz not null default clock_timestamp(),
    primary key (user_id, replica)
);

-- What a server that is buried leaves behind.
create index presence_by_replica on pgherald.presence (replica);

comment on table pgherald.presence is
    'A row for each user and server where that user has a stream open, or had until moments ago.';
