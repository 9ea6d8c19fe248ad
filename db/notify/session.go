package notify

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// leaderSession is the database session that acquires LeaderLock. PostgreSQL releases the lock when the
// session ends.
type leaderSession struct {
	conn    *pgx.Conn
	timeout time.Duration // of each statement
	seen    *db.Snapshot  // of the last poll; nil before the first poll with the lock
}

// leaderSettingsSQL prepares a leader's session. Every writer depends on the session that holds the lock,
// so PostgreSQL must end it soon after the server is frozen or unreachable: idle_session_timeout ends it if
// the server is frozen (from PostgreSQL 14 on), the TCP settings if the network is lost. A NOTIFY writes no
// WAL, so its commit need not wait for a flush. The other settings fix the plans, as in the log pool of
// package db. The join skips settings that the PostgreSQL version does not have.
const leaderSettingsSQL = `
select set_config(s.name, v.value, false)
from (
    values
        ('idle_session_timeout', $1),
        ('statement_timeout', $1),
        ('tcp_user_timeout', $1),
        ('tcp_keepalives_idle', '1'),
        ('tcp_keepalives_interval', '1'),
        ('tcp_keepalives_count', '2'),
        ('synchronous_commit', 'off'),
        ('default_transaction_isolation', 'read committed'),
        ('enable_seqscan', 'off'),
        ('plan_cache_mode', 'force_generic_plan'),
        ('max_parallel_workers_per_gather', '0'),
        ('jit', 'off')
) as v (name, value)
inner join pg_settings as s on s.name = v.name`

// terminateSQL terminates a backend if it holds the lock, and only then: its PID may belong to another
// session by now.
const terminateSQL = `
select count(pg_terminate_backend(l.pid)) > 0
from pg_locks as l
where
    l.pid = $1
    and l.locktype = 'advisory'
    and l.mode = 'ExclusiveLock'
    and l.granted
    and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    and l.classid::bigint = $2::bigint >> 32
    and l.objid::bigint = $2::bigint & 4294967295`

// openSession connects. It does not acquire the lock.
func (l *Leader) openSession(ctx context.Context) (*leaderSession, error) {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, fmt.Errorf("connect the leader: %w", err)
	}
	s := &leaderSession{conn: conn, timeout: l.opts.SessionTimeout}
	timeout := strconv.FormatInt(l.opts.SessionTimeout.Milliseconds(), 10)
	err = s.exec("pin the search path of the leader's session", db.PinSQL)
	if err == nil {
		err = s.exec("set up the leader's session", leaderSettingsSQL, timeout)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// backend returns the PID of the process that serves the session.
func (s *leaderSession) backend() uint32 { return s.conn.PgConn().PID() }

// close ends the session. It does not wait longer than the timeout for a server that is unreachable.
func (s *leaderSession) close() {
	ctx, cancel := s.statementContext()
	defer cancel()
	_ = s.conn.Close(ctx)
}

// statementContext bounds one statement. It does not end at shutdown: the effect of a statement under
// way, such as an acquired lock, decides whether there is something to drain.
func (s *leaderSession) statementContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.timeout)
}

// exec runs a statement. action describes it in the error.
func (s *leaderSession) exec(action, sql string, args ...any) error {
	ctx, cancel := s.statementContext()
	defer cancel()
	if _, err := s.conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// tryLock acquires the lock unless another session holds or shares it.
func (s *leaderSession) tryLock() (acquired bool, err error) {
	ctx, cancel := s.statementContext()
	defer cancel()
	if err := s.conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, int64(LeaderLock)).Scan(&acquired); err != nil {
		return false, fmt.Errorf("acquire the leader's lock: %w", err)
	}
	if acquired {
		s.seen = nil // events committed since the last poll may be unannounced: the next poll announces anyway
	}
	return acquired, nil
}

// terminate ends another backend if it holds the lock, and reports whether it did hold it.
func (s *leaderSession) terminate(backend uint32) (held bool, err error) {
	ctx, cancel := s.statementContext()
	defer cancel()
	if err := s.conn.QueryRow(ctx, terminateSQL, int64(backend), int64(LeaderLock)).Scan(&held); err != nil {
		return false, fmt.Errorf("terminate the leader's lost session: %w", err)
	}
	return held, nil
}

// unlock releases the lock, and returns the number of a transaction that began after that. It is above
// the number of every transaction that already had one. The xmax of a snapshot is not: the newest running
// transactions can be at or above it.
func (s *leaderSession) unlock() (boundary uint64, err error) {
	if err := s.exec("release the leader's lock", `select pg_advisory_unlock($1)`, int64(LeaderLock)); err != nil {
		return 0, err
	}
	ctx, cancel := s.statementContext()
	defer cancel()
	if err := s.conn.QueryRow(ctx, `select pg_current_xact_id()`).Scan(&boundary); err != nil {
		return 0, fmt.Errorf("begin a transaction: %w", err)
	}
	return boundary, nil
}

// haveEnded reports whether the snapshot of the last poll shows that every transaction below xid has
// ended.
func (s *leaderSession) haveEnded(xid uint64) bool {
	return s.seen.Xmax >= xid && !slices.ContainsFunc(s.seen.Running, func(running uint64) bool { return running < xid })
}

// leaderPollSQL finds events that the snapshot of the last poll does not show ($1 is its xmax, $2 its
// running transactions), and sends the payload $4 on channel $3 if there are any. It is one statement, so
// that the answer and the next snapshot are of the same moment. It looks up a running transaction only
// once that has ended: a bulk load may have written a million rows that are not visible yet. With $1 null
// it always notifies.
const leaderPollSQL = `
select
    pg_current_snapshot()::text as snapshot,
    p.found,
    case when p.found then pg_notify($3, $4)::text end as notified
from (
    select
        $1::xid8 is null
        or exists (select from pgherald.events as e where e.xid >= $1)
        or exists (
            select
            from pgherald.events as e
            where e.xid = any(array(
                select r.xid
                from unnest($2::xid8[]) as r (xid)
                where pg_visible_in_snapshot(r.xid, pg_current_snapshot())
            ))
        ) as found
    offset 0
) as p`

// poll reports whether events have become visible since the last poll, and sends a NOTIFY as the server
// called name if they have. With draining it always sends one, which requests a successor.
func (s *leaderSession) poll(name string, draining bool) (found bool, err error) {
	ctx, cancel := s.statementContext()
	defer cancel()
	var next *uint64
	running := []uint64{}
	if s.seen != nil && !draining {
		next, running = &s.seen.Xmax, append(running, s.seen.Running...)
	}
	var text string
	err = s.conn.QueryRow(ctx, leaderPollSQL, next, running, Channel, leaderPayload(name, draining)).Scan(&text, &found, nil)
	if err != nil {
		return false, fmt.Errorf("poll the log: %w", err)
	}
	seen, err := db.ParseSnapshot(text)
	s.seen = &seen
	return found, err
}
