package doctor

import (
	"slices"

	"github.com/pgherald/pgherald/db/notify"
)

// probes returns the queries about the state of the database. Each returns a text and whether it is a reason to act.
func probes() []probe { return slices.Concat(logProbes(), consumerProbes(), sessionProbes()) }

// logProbes look at what belongs to pgherald.
func logProbes() []probe {
	return []probe{
		{
			"role", `
select pg_catalog.format('%s%s', current_user, case when r.rolsuper then ', a superuser' else '' end),
    not pg_catalog.has_table_privilege('pgherald.events', 'select')
    or not pg_catalog.has_table_privilege('pgherald.events', 'delete')
from pg_catalog.pg_roles as r
where r.rolname = current_user`,
			Error, "this role may not read or prune the log, so it cannot serve.", "grant what docs/privileges.md lists for pgherald_server.", nil,
		},
		{
			"log", `
select pg_catalog.format('%s, oldest event %s', pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size('pgherald.events')),
        coalesce((select pg_catalog.date_trunc('second', pg_catalog.now() - e.at)::text || ' ago'
            from pgherald.events as e order by e.xid, e.id limit 1), 'none')),
    pg_catalog.pg_total_relation_size('pgherald.events') > 10::bigint << 30`,
			Warning, "the log is large: pruning may not keep up, or the retention is long.", "look at pgherald_log_bytes, --retain-age and --retain-bytes.", nil,
		},
		{
			"queue", `
select pg_catalog.round((100 * pg_catalog.pg_notification_queue_usage())::numeric, 1)::text || ' % of the notification queue is used',
    pg_catalog.pg_notification_queue_usage() > 0.25`,
			Error, "a session that LISTENs has a long transaction. When the queue is full, every write of a watched table fails.",
			"end the oldest transaction of a session that listens (see pg_stat_activity).", nil,
		},
	}
}

// consumerProbes look at the consumers of pgherald forward. What is behind, runs, fails or is parked is shown for each.
func consumerProbes() []probe {
	return []probe{{
		"consumers", `
select coalesce(pg_catalog.string_agg(pg_catalog.format('%s: %s%s%s%s',
        c.name,
        case when c.is_running then 'runs' else 'no process runs' end,
        case when c.age > '5 minutes'::interval then ', ' || pg_catalog.date_trunc('second', c.age)::text || ' behind' else '' end,
        case when c.failure is null then '' else ', failing since ' || pg_catalog.date_trunc('second', c.failing_since)::text || ' (' || c.failure || ')' end,
        case when c.parked = 0 then '' else ', ' || c.parked::text || ' parked events' end
    ), '; ' order by c.name), 'no service receives events'),
    coalesce(pg_catalog.bool_or(not c.is_running or c.age > '5 minutes'::interval or c.failing_since < pg_catalog.now() - '5 minutes'::interval or c.parked > 0), false)
from (
    select o.name, o.failing_since, o.failure,
        coalesce(o.runs_until > pg_catalog.clock_timestamp(), false) as is_running,
        (select pg_catalog.count(*) from pgherald.parked as p where p.consumer = o.name) as parked,
        pg_catalog.clock_timestamp() - (select e.at from pgherald.events as e where e.xid >= o.next order by e.xid, e.id limit 1) as age
    from pgherald.consumers as o
    where o.forwards_to is not null
) as c`,
		Warning, "these services do not receive every event; the log waits for them no longer than --retain-age.",
		"start pgherald forward, look at its log output and at pgherald forward list; or forget a consumer with select pgherald.drop_consumer(name).", nil,
	}}
}

// sessionProbes look at other sessions and at settings.
func sessionProbes() []probe {
	return []probe{
		{
			"transactions", `
select case when t.age is null then 'no other transaction is open'
        else pg_catalog.format('the oldest transaction is open for %s (pid %s, role %s)', pg_catalog.date_trunc('second', t.age), t.pid, t.role) end,
    coalesce(t.age > '10 minutes'::interval, false)
from (select) as one
left join lateral (
    select pg_catalog.now() - a.xact_start as age, a.pid, a.usename as role
    from pg_catalog.pg_stat_activity as a
    where a.xact_start is not null and a.pid <> pg_catalog.pg_backend_pid() and a.backend_type = 'client backend'
    order by a.xact_start
    limit 1
) as t on true`,
			Warning, "cursors keep a hole for it, apply may wait for its locks, and vacuum cannot clean up.", "end it, if it is idle.", nil,
		},
		{
			"prepared", `
select pg_catalog.count(*)::text || ' prepared transactions', pg_catalog.count(*) filter (where p.prepared < pg_catalog.now() - '10 minutes'::interval) > 0
from pg_catalog.pg_prepared_xacts as p`,
			Warning, "a prepared transaction that nothing ends holds its locks and its hole in cursors forever.", "commit or roll it back: see pg_prepared_xacts.", nil,
		},
		{
			"durability", `
select 'synchronous_commit = ' || pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_setting('synchronous_commit') = 'off'`,
			Warning, "a crash of PostgreSQL may remove events that clients have seen.", "set synchronous_commit = on for the writers of watched tables.", nil,
		},
		{
			"replication", `
select 'session_replication_role = ' || pg_catalog.current_setting('session_replication_role'),
    pg_catalog.current_setting('session_replication_role') = 'replica'`,
			Error, "triggers do not fire in such sessions, so writes give no events.", "alter role or alter database … reset session_replication_role.", nil,
		},
		{
			"locks", `
select coalesce(pg_catalog.string_agg(pg_catalog.format('pid %s, role %s, application %s holds the lock of the notify leader', l.pid, a.usename, a.application_name), '; '),
        'no session but pgherald''s holds the lock of the notify leader'),
    pg_catalog.count(*) > 0
from pg_catalog.pg_locks as l
join pg_catalog.pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.mode = 'ExclusiveLock' and l.objsubid = 1
    and l.classid::bigint = $1::bigint >> 32
    and l.objid::bigint = $1::bigint & 4294967295
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and a.application_name !~ '^pgherald'`,
			Warning, "writers send no wake-ups while it holds the lock: events may be late by a second.", "end that session with pg_terminate_backend.", []any{int64(notify.LeaderLock)},
		},
	}
}
