-- Tokens that end before they expire. The table is logged, unlike those of tickets and renewals: a
-- revocation must survive a crash. Each row names one token (jti), or the tokens that were issued before a
-- time, of one user or, if neither is named, of every user.
create table pgherald.revocations (
    jti text not null default '' check (octet_length(jti) <= 255),
    user_id text not null default '' check (octet_length(user_id) <= 255),
    issued_before timestamptz,
    revoked_at timestamptz not null default clock_timestamp(),
    -- When every token that the row names has expired. Servers delete the row an hour later.
    expires timestamptz not null default 'infinity',
    -- The transaction that wrote the row. Servers read the rows of the transactions that their last read
    -- did not show as ended.
    xid xid8 not null default pg_current_xact_id(),
    primary key (jti, user_id),
    check (jti = '' or user_id = ''),
    check ((jti = '') = (issued_before is not null))
);

create index revocations_by_xid on pgherald.revocations (xid);

comment on table pgherald.revocations is
    'Tokens that end before they expire: by jti, or by user and time of issue.';

-- Revokes tokens, and notifies the servers, which end their streams. Runs with the rights of its owner. To
-- let a role revoke tokens:
--     grant usage on schema pgherald to some_role;
--     grant execute on function pgherald.revoke to some_role;
create function pgherald.revoke(
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

comment on function pgherald.revoke(text, text, timestamptz, timestamptz) is
    'Revokes tokens: one by its jti, or those issued before a time (now, for a user), of a user or of all.';

revoke execute on function pgherald.revoke(text, text, timestamptz, timestamptz) from public;

-- A ticket is revoked with its token, and a renewed stream with its new one.
alter table pgherald.tickets add column jti text, add column issued_at timestamptz;
alter table pgherald.renewals add column jti text, add column issued_at timestamptz;
