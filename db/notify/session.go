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

// wakerSession is the session that holds the waker's lock, and nothing else. The lock ends with it.
type leaderSession struct {
	conn  *pgx.Conn
	limit time.Duration // of each statement
	seen  *db.Snapshot  // of the last poll; nil before the first
}

// What the server is to know of a session on which everyone relies. It ends by itself when its owner
// is frozen or cannot be reached: idle_session_timeout does that from PostgreSQL 14 on, and the
// settings of TCP, in seconds but for the last, where only the network is gone. A NOTIFY needs no
// flush of the WAL: it is not written there. The rest keeps the plans as they must be, as in
// logPoolSettings.
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

// Ends our own session before this one, should the server still think that it is alive, and says so.
// Its number may be another's by now: only the one that holds the lock is meant.
const endSQL = `
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

// openSession connects.
func (w *Leader) openSession(ctx context.Context) (*leaderSession, error) {
	conn, err := pgx.ConnectConfig(ctx, w.config)
	if err != nil {
		return nil, fmt.Errorf("connect the waker: %w", err)
	}
	s := &leaderSession{conn: conn, limit: w.opts.SessionLimit}
	limit := strconv.FormatInt(w.opts.SessionLimit.Milliseconds(), 10)
	if err := s.exec("set up the waker's session", leaderSettingsSQL, limit); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *leaderSession) backend() uint32 { return s.conn.PgConn().PID() }

// close ends the session. It may be that nobody is at the other end.
func (s *leaderSession) close() {
	ctx, cancel := s.patience()
	defer cancel()
	_ = s.conn.Close(ctx)
}

// patience bounds each statement. It does not end with the server: a statement that is under way is
// waited for, since what it has done decides what is owed.
func (s *leaderSession) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.limit)
}

func (s *leaderSession) exec(what, sql string, args ...any) error {
	ctx, cancel := s.patience()
	defer cancel()
	if _, err := s.conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// tryLock takes the lock if nobody has it.
func (s *leaderSession) tryLock() (locked bool, err error) {
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, int64(LeaderLock)).Scan(&locked); err != nil {
		return false, fmt.Errorf("take the waker's lock: %w", err)
	}
	if locked {
		s.seen = nil // what was committed since the last poll may have rung, or not
	}
	return locked, nil
}

// end ends a session before this one, and reports whether that still had the lock.
func (s *leaderSession) end(backend uint32) (held bool, err error) {
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.conn.QueryRow(ctx, endSQL, int64(backend), int64(LeaderLock)).Scan(&held); err != nil {
		return false, fmt.Errorf("end the waker's old session: %w", err)
	}
	return held, nil
}

// unlock gives the lock back, and returns a transaction that began after that: all that began before
// have lower numbers. A snapshot would not do, as it does not list the newest of those that run.
func (s *leaderSession) unlock() (after uint64, err error) {
	if err := s.exec("give the waker's lock back", `select pg_advisory_unlock($1)`, int64(LeaderLock)); err != nil {
		return 0, err
	}
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.conn.QueryRow(ctx, `select pg_current_xact_id()`).Scan(&after); err != nil {
		return 0, fmt.Errorf("begin a transaction: %w", err)
	}
	return after, nil
}

// over reports whether every transaction below this one had ended at the last poll.
func (s *leaderSession) over(below uint64) bool {
	return s.seen.Xmax >= below && !slices.ContainsFunc(s.seen.Running, func(xid uint64) bool { return xid < below })
}

// Is there anything that the snapshot before this one did not show? One statement, so that the answer
// and the next snapshot are of the same moment. Transactions that were running are looked up only
// once they have ended: a bulk load may have written a million rows that nobody can see yet. A first
// poll does not know, and says yes.
const leaderPollSQL = `
select
    pg_current_snapshot()::text as snapshot,
    p.found,
    case when p.found then pg_notify($3, $4)::text end as rung
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

// poll reports whether there is something new since the last poll, and NOTIFYs if there is. Who is
// leaving asks for a successor.
func (s *leaderSession) poll(name string, leaving bool) (found bool, err error) {
	ctx, cancel := s.patience()
	defer cancel()
	var next *uint64
	running := []uint64{}
	if s.seen != nil && !leaving {
		next, running = &s.seen.Xmax, append(running, s.seen.Running...)
	}
	var text string
	err = s.conn.QueryRow(ctx, leaderPollSQL, next, running, Channel, leaderPayload(name, leaving)).Scan(&text, &found, nil)
	if err != nil {
		return false, fmt.Errorf("poll the log: %w", err)
	}
	seen, err := db.ParseSnapshot(text)
	s.seen = &seen
	return found, err
}
