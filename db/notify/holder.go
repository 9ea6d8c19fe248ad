package notify

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/stream/status"
)

// holderSQL finds who holds the leader's lock and is no leader. Every role can hold it, so a leader is known by
// the server's own role: any role can choose a leader's application name. A prepared transaction has no process.
// Another database has locks of its own.
const holderSQL = `
select
    coalesce(l.pid, 0)::bigint as pid,
    coalesce(a.usename::text, '') as role,
    coalesce(a.application_name, '') as application,
    l.mode
from pg_catalog.pg_locks as l
left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
where
    l.locktype = 'advisory'
    and l.granted
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
    and l.classid::bigint = $1::bigint >> 32
    and l.objid::bigint = $1::bigint & 4294967295
    and l.objsubid = 1
    and not coalesce(a.usename = current_user and a.application_name = $2, false)
order by (l.mode = 'ExclusiveLock') desc, l.pid = $3 desc
limit 1`

// WatchLock observes until ctx ends whether another program holds the leader's lock. While it does, either writers
// send no wake-ups (ExclusiveLock), or no server can lead (ShareLock). Nothing can prevent that, since any role may
// take an advisory lock; but operators can end the session once they know it. The status has the holder, and the
// logger a line, once it has held the lock for [LeaderOptions].HolderAfter. A writer holds the lock for an instant.
func (l *Leader) WatchLock(ctx context.Context, pool *pgxpool.Pool) {
	interval := time.NewTicker(l.opts.HolderAfter / 2)
	defer interval.Stop()
	var seen *status.LockHolder // by the last query
	for {
		found, err := l.findHolder(ctx, pool, seen)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.opts.Logger.Debug("holder of the leader's lock not read", "error", err)
		default:
			if found != nil && seen != nil && isSame(*found, *seen) {
				found.Since = seen.Since
			}
			seen = found
			l.report(found)
		}
		select {
		case <-interval.C:
		case <-ctx.Done():
			return
		}
	}
}

// findHolder returns the holder, or nil if there is none. Of several it prefers the one seen before.
func (l *Leader) findHolder(ctx context.Context, pool *pgxpool.Pool, seen *status.LockHolder) (*status.LockHolder, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	found := status.LockHolder{Since: time.Now()}
	var before int64
	if seen != nil {
		before = seen.PID
	}
	err := pool.QueryRow(ctx, holderSQL, int64(LeaderLock), leaderApplication, before).
		Scan(&found.PID, &found.Role, &found.Application, &found.Mode)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, db.Explain(err)
	}
	return &found, nil
}

func isSame(a, b status.LockHolder) bool {
	return a.PID == b.PID && a.Role == b.Role && a.Mode == b.Mode
}

// report puts a holder into the status, and logs when one has appeared there or has gone.
func (l *Leader) report(found *status.LockHolder) {
	if found != nil && time.Since(found.Since) < l.opts.HolderAfter {
		found = nil
	}
	before := l.Status().LockHolder
	switch {
	case found != nil && (before == nil || !isSame(*found, *before)):
		l.opts.Logger.Warn("another program holds the leader's lock, events may be a second late: "+
			"end it with select pg_terminate_backend(PID)", "pid", found.PID, "role", found.Role,
			"application", found.Application, "mode", found.Mode, "held_ms", time.Since(found.Since).Milliseconds())
	case found == nil && before != nil:
		l.opts.Logger.Info("leader's lock is free again", "pid", before.PID, "role", before.Role)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.LockHolder = found
}
