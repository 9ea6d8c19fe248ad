drop function pgherald.disconnect(text, text, timestamptz, timestamptz);
drop table pgherald.disconnects;

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
