package notify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// shareTimeout bounds how long a new connection waits for ListenerLock. A writer holds it for an instant.
const shareTimeout = time.Second

// sharesKey is the key of a connection's custom data under which retryLock notes that the session shares ListenerLock.
const sharesKey = "pgherald.listener"

// shareLockSQL shares ListenerLock until the session ends. While it waits, no writer gets the lock: PostgreSQL
// refuses a lock that conflicts with one that a session waits for. A statement_timeout of the role must not end the
// wait earlier, with another SQLSTATE.
func shareLockSQL(timeout time.Duration) string {
	return fmt.Sprintf("set local statement_timeout = 0; set local lock_timeout = %d; select pg_catalog.pg_advisory_lock_shared(%d)",
		max(1, timeout.Milliseconds()), int64(ListenerLock))
}

// shareLock shares ListenerLock in a session that does not listen yet. If another program holds the lock alone, the
// listener goes on without it: writers then send their wake-ups, since they cannot get the lock either. Once that
// program releases it, events may be a second late until retryLock has shared it.
func (l *Listener) shareLock(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, shareLockSQL(min(shareTimeout, l.opts.ProbeTimeout/2)))
	var pg *pgconn.PgError
	denied := errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable
	if err != nil && !denied {
		return fmt.Errorf("share the listeners' lock: %w", err)
	}
	if denied {
		l.opts.Logger.Warn("another session holds the listeners' lock, events may be a second late once it releases it: "+
			"find it in pg_locks, and end it with select pg_terminate_backend(PID)", "key", strconv.FormatInt(ListenerLock, 10))
	}
	l.mu.Lock()
	l.lockDenied = denied
	l.mu.Unlock()
	l.onStep(stepShared)
	return nil
}

// retryLock shares ListenerLock in the session of the probes, once it can, if the listener's own session does not: pgxlisten
// offers no way to run a statement on a connection that listens. To connect again instead would leave a gap, in which any
// role could take the lock again, and disconnect all listeners as often as it likes.
//
// That session may keep the lock for longer than the listener needs it, which at worst makes writers notify. If it ends, the
// next call shares the lock in the session that replaces it.
func (l *Listener) retryLock(ctx context.Context) {
	l.mu.Lock()
	denied := l.lockDenied
	l.mu.Unlock()
	if !denied {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.opts.ProbeTimeout)
	defer cancel()
	_ = l.withSender(ctx, func(conn *pgx.Conn) error { // a probe reports an error
		session := conn.PgConn().CustomData()
		if session[sharesKey] != nil {
			return nil
		}
		var shared bool
		err := conn.QueryRow(ctx, `select pg_try_advisory_lock_shared($1)`, int64(ListenerLock)).Scan(&shared)
		if err != nil || !shared {
			return err
		}
		session[sharesKey] = true
		l.opts.Logger.Info("listeners' lock is free again, and shared in the session of the probes")
		signal(l.drainWanted, struct{}{}) // writers may have found the lock free
		return nil
	})
}

// query reads one value through the sender, within ProbeTimeout.
func (l *Listener) query(ctx context.Context, value any, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, l.opts.ProbeTimeout)
	defer cancel()
	return l.withSender(ctx, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, sql, args...).Scan(value) })
}
