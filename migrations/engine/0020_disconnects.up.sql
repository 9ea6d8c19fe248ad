-- compatible-from: 13
-- Streams that an operator ended. Unlike a revocation, a disconnect leaves the tokens valid: their clients may connect
-- again, at once or from a time on. Each row names one token (jti), or the tokens that were issued before a time
-- (null: whenever), of one user or, if neither is named, of every user.
create table pgherald.disconnects (
    id bigint generated always as identity primary key,
    jti text not null default '' check (octet_length(jti) <= 255),
    user_id text not null default '' check (octet_length(user_id) <= 255),
    issued_before timestamptz,
    -- Before it no server accepts these tokens. Null: all do.
    until timestamptz,
    disconnected_at timestamptz not null default clock_timestamp(),
    -- The streams that ended, and the servers that have read the row.
    streams integer not null default 0,
    servers integer not null default 0,
    -- The transaction that wrote the row: see pgherald.revocations.
    xid xid8 not null default pg_current_xact_id(),
    check (jti = '' or user_id = '' and issued_before is null),
    check (jti <> '' or user_id <> '' or issued_before is not null)
);

create index disconnects_by_xid on pgherald.disconnects (xid);

comment on table pgherald.disconnects is
    'Streams that an operator ended, and until when their tokens are not accepted.';

-- Ends streams, and notifies the servers. Returns the id of the row. Runs with the rights of its owner. To let a role
-- end streams:
--     grant usage on schema pgherald to some_role;
--     grant execute on function pgherald.disconnect to some_role;
create function pgherald.disconnect(
    user_id text default null,
    jti text default null,
    issued_before timestamptz default null,
    until timestamptz default null
)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    stored bigint;
begin
    if coalesce(octet_length(disconnect.jti) not between 1 and 255, false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'jti', message = 'jti must have 1 to 255 bytes';
    end if;
    if coalesce(octet_length(disconnect.user_id) not between 1 and 255, false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'user_id', message = 'a user must have 1 to 255 bytes';
    end if;
    if disconnect.jti is not null and (disconnect.user_id is not null or disconnect.issued_before is not null) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'jti',
            message = 'jti names one token: give it without a user and without a time';
    end if;
    if disconnect.jti is null and disconnect.user_id is null and disconnect.issued_before is null then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'user_id',
            message = 'give a user, a jti, or a time before which the tokens were issued';
    end if;
    if coalesce(not isfinite(disconnect.issued_before), false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'issued_before', message = 'the time must be finite';
    end if;
    -- A minute is for clocks that differ.
    if coalesce(disconnect.issued_before > clock_timestamp() + interval '1 minute', false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'issued_before',
            message = 'the time must not be in the future: it would bar the tokens that users and operators get next';
    end if;
    if coalesce(not isfinite(disconnect.until) or disconnect.until <= clock_timestamp(), false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'until',
            message = 'the time must be finite and in the future: without it, clients may connect again at once';
    end if;
    if coalesce(disconnect.until > clock_timestamp() + interval '1 year', false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'until',
            message = 'the time must be within a year: for longer, have the issuer or the application refuse the user';
    end if;
    insert into pgherald.disconnects as d (jti, user_id, issued_before, until)
    values (
        coalesce(disconnect.jti, ''), coalesce(disconnect.user_id, ''), disconnect.issued_before, disconnect.until
    )
    returning d.id into stored;
    -- A ticket has the roles and grants of before.
    delete from pgherald.tickets as t
    where t.hash in (
        select o.hash
        from pgherald.tickets as o
        where
            (disconnect.jti is null or o.jti = disconnect.jti)
            and (disconnect.user_id is null or o.user_id = disconnect.user_id)
            and (disconnect.issued_before is null or coalesce(o.issued_at < disconnect.issued_before, true))
        order by o.hash
        for update
    );
    perform pg_notify('pgherald_control', 'revocations');
    return stored;
end
$$;

comment on function pgherald.disconnect(text, text, timestamptz, timestamptz) is
    'Ends the streams of a user, of a token by its jti, or of tokens issued before a time; until bars them so long.';

revoke execute on function pgherald.disconnect(text, text, timestamptz, timestamptz) from public;

-- As before, but a time in the future is refused.
create or replace function pgherald.revoke(
    jti text default null,
    user_id text default null,
    issued_before timestamptz default null,
    expires timestamptz default null
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(octet_length(revoke.jti) not between 1 and 255, false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'jti', message = 'jti must have 1 to 255 bytes';
    end if;
    if coalesce(octet_length(revoke.user_id) not between 1 and 255, false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'user_id', message = 'a user must have 1 to 255 bytes';
    end if;
    if revoke.jti is not null and (revoke.user_id is not null or revoke.issued_before is not null) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'jti',
            message = 'jti names one token: give it without a user and without a time';
    end if;
    if revoke.jti is null and revoke.user_id is null and revoke.issued_before is null then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'issued_before',
            message = 'give a jti, a user, or a time before which all tokens are revoked';
    end if;
    if coalesce(not isfinite(revoke.issued_before), false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'issued_before', message = 'the time must be finite';
    end if;
    -- A minute is for clocks that differ.
    if coalesce(revoke.issued_before > clock_timestamp() + interval '1 minute', false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'issued_before',
            message = 'the time must not be in the future: it would revoke the tokens that users and operators get next';
    end if;
    if coalesce(revoke.expires <= clock_timestamp(), false) then
        raise exception using
            errcode = 'invalid_parameter_value', column = 'expires',
            message = 'the revocation would end at once: expires must be when the last of the tokens expires';
    end if;
    insert into pgherald.revocations as r (jti, user_id, issued_before, expires)
    values (
        coalesce(revoke.jti, ''),
        coalesce(revoke.user_id, ''),
        case when revoke.jti is null then coalesce(revoke.issued_before, clock_timestamp()) end,
        coalesce(revoke.expires, 'infinity')
    )
    on conflict on constraint revocations_pkey do update
    set
        issued_before = greatest(r.issued_before, excluded.issued_before),
        expires = greatest(r.expires, excluded.expires),
        revoked_at = excluded.revoked_at,
        xid = excluded.xid;
    perform pg_notify('pgherald_control', 'revocations');
end
$$;
