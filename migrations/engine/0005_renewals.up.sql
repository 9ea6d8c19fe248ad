-- A new token for a stream that another server holds. The table, and not the notification that
-- points to it, says what counts: every role of the database may send notifications.
create unlogged table pgherald.renewals (
    connection text primary key,
    -- Whose token it is and what it grants, hashed: it must be as the stream's is.
    rights bytea not null,
    -- When the new token ends.
    until timestamptz not null,
    asked timestamptz not null default clock_timestamp(),
    -- What the server that holds the stream says: null until it has.
    renewed boolean
);

comment on table pgherald.renewals is
    'New tokens for streams at other servers. A row lives for moments.';
