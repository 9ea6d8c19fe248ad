-- What servers tell each other about tokens. All of it counts for seconds and is lost without harm
-- in a crash, so none of it is written to the WAL.

-- Single-use tickets, which stand for a token where a browser can send nothing but a URL.
create unlogged table pgherald.tickets (
    -- SHA-256 of the ticket: whoever reads the table has none.
    hash bytea primary key,
    user_id text not null,
    roles text[] not null,
    grants text[] not null,
    -- When the token ends that the ticket was given for.
    until timestamptz not null,
    -- When the ticket itself counts no more.
    expires timestamptz not null
);

create index tickets_by_expires on pgherald.tickets (expires);

comment on table pgherald.tickets is
    'Tickets that were given and not used yet. Pruned whenever another one is given.';
