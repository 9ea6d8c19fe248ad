-- Requests to renew the lease of a stream that another server serves. A notification points to the
-- row, but only the row counts: every role of the database may send notifications. A request lives
-- for moments, and a crash may lose it without harm: so the table is not written to the WAL.
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
