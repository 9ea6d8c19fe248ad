-- Single-use tickets, which replace a token where a browser can send only a URL. The table is not
-- written to the WAL: a ticket is valid for seconds, so losing it in a crash does no harm.
create unlogged table pgherald.tickets (
    -- SHA-256 of the ticket, so that reading the table yields no ticket.
    hash bytea primary key,
    user_id text not null,
    roles text[] not null,
    grants text[] not null,
    -- When the token expires for which the ticket was issued.
    until timestamptz not null,
    -- When the ticket itself expires.
    expires timestamptz not null
);

create index tickets_by_expires on pgherald.tickets (expires);

comment on table pgherald.tickets is
    'Tickets that were issued and not used yet. Issuing one prunes those that have expired.';
