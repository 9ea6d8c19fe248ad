alter table pgherald.renewals drop column jti, drop column issued_at;
alter table pgherald.tickets drop column jti, drop column issued_at;
drop function pgherald.revoke(text, text, timestamptz, timestamptz);
drop table pgherald.revocations;
