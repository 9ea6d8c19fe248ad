package bounds

// MaxIdle is how long a transaction may wait for its client, as PostgreSQL writes it. A client on a busy machine may not
// run for seconds.
const MaxIdle = "8s"

// applicable lists the settings that this server knows. It runs before a session is pinned, so it qualifies everything.
// A server without a way to look at a socket refuses any other value of client_connection_check_interval than 0: version
// 14 elsewhere than on Linux, and all versions on Windows.
const applicable = `
from (
    values
        ('idle_in_transaction_session_timeout', '` + MaxIdle + `', false),
        ('client_connection_check_interval', '2s', false),
        ('tcp_keepalives_idle', '2', true),
        ('tcp_keepalives_interval', '1', true),
        ('tcp_keepalives_count', '3', true),
        ('tcp_user_timeout', '6s', true)
) as v (name, value, is_tcp)
inner join pg_catalog.pg_settings as s on s.name operator(pg_catalog.=) v.name
where
    v.name operator(pg_catalog.<>) 'client_connection_check_interval'
    or pg_catalog.version() operator(pg_catalog.~) 'linux'
    or pg_catalog.version() operator(pg_catalog.~) 'darwin|bsd'
    and pg_catalog.current_setting('server_version_num')::pg_catalog.int4 operator(pg_catalog.>=) 150000`

// SessionSQL bounds a session that no pooler shares.
const SessionSQL = `
select pg_catalog.set_config(v.name, v.value, false)` + applicable

// TransactionSQL bounds the current transaction.
const TransactionSQL = `
select pg_catalog.set_config(v.name, v.value, true)` + applicable

// StatementsSQL returns the statements that bound a transaction, as two texts: those for TCP and the others. A program
// that begins many transactions sends them with BEGIN, because TransactionSQL costs a round trip and a millisecond. It
// also returns the process of the session as int4, and whether the server has transaction_timeout (from version 17 on).
const StatementsSQL = `
select
    coalesce(pg_catalog.string_agg(pg_catalog.format('; set local %I = %L', v.name, v.value), '') filter (where v.is_tcp), ''),
    coalesce(pg_catalog.string_agg(pg_catalog.format('; set local %I = %L', v.name, v.value), '') filter (where not v.is_tcp), ''),
    pg_catalog.pg_backend_pid(),
    pg_catalog.current_setting('transaction_timeout', true) is not null` + applicable
