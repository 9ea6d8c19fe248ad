-- Single-use tickets, which replace a token where a browser can send nothing but a URL. A ticket
-- lives for seconds, and a crash may lose it without harm: so the table is not written to the WAL.
create unlogged table pgherald.tickets (
    -- SHA-256 of the ticket, so that reading the table yields no ticket.
    hash bytea primary key,
    user_id text not null,
    roles text[] not null,
    grants text[] not null,
    -- When the token expires that the ticket was issued for.
    until timestamptz not null,
    -- When the ticket itself expires.
    expires timestamptz not null
);

create index tickets_by_expires on pgherald.tickets (expires);

comment on table pgherald.tickets is
    'Tickets that were issued and not used yet. Issuing one prunes those that have expired.';
