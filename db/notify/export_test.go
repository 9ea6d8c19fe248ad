package notify

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/db"
)

// SetValidate replaces the check of each new connection. The listener must not run yet.
func (l *Listener) SetValidate(f func(context.Context, *pgx.Conn) error) { l.validate = f }

// SetProbeTimeout replaces the option. The listener must not run yet.
func (l *Listener) SetProbeTimeout(d time.Duration) { l.opts.ProbeTimeout = d }

// ShareLockSQL returns the statements with which a new connection shares ListenerLock.
func ShareLockSQL(timeout time.Duration) string { return shareLockSQL(timeout) }

// OnStep calls f with each step of the listener's next connections.
func (l *Listener) OnStep(f func(step string)) { l.onStep = func(s listenerStep) { f(string(s)) } }

// OpenSteppedListener is OpenListener, with OnStep.
func OpenSteppedListener(ctx context.Context, url string, sender *pgxpool.Pool, opts ListenerOptions, f func(step string)) (*Listener, error) {
	config, err := db.ParseSession(url, "pgherald listener")
	if err != nil {
		return nil, err
	}
	l := newListener(config, sender, opts.withDefaults())
	l.OnStep(f)
	l.initial, err = l.dial(ctx)
	return l, err
}

// OnConnect calls f with the backend of each session that the leader opens. The leader must not run
// yet.
func (l *Leader) OnConnect(f func(pid uint32)) {
	l.config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
		f(conn.PID())
		return nil
	}
}
