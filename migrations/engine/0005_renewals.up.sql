-- Requests to renew the lease of a stream that another server serves. A notification names the row,
-- but renews nothing itself: every role of the database may send notifications. The table is not
-- written to the WAL: a request is valid for seconds, so losing it in a crash does no harm.
create unlogged table pgherald.renewals (
    connection text primary key,
    -- Hash of the new token's user and grants. The server that serves the stream accepts the renewal
    -- only if its own stream has the same.
    rights_hash bytea not null,
    -- When the new token expires.
    until timestamptz not null,
    requested_at timestamptz not null default clock_timestamp(),
    -- The answer of the server that serves the stream; null until it answers.
    accepted boolean
);

comment on table pgherald.renewals is
    'Requests to renew the lease of a stream at another server, each with its answer.';
