package notify

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SetValidate replaces the check of each new connection. The listener must not run yet.
func (l *Listener) SetValidate(f func(context.Context, *pgx.Conn) error) { l.validate = f }

// SetProbeTimeout replaces the option. The listener must not run yet.
func (l *Listener) SetProbeTimeout(d time.Duration) { l.opts.ProbeTimeout = d }

// OnConnect calls f with the backend of each session that the leader opens. The leader must not run
// yet.
func (l *Leader) OnConnect(f func(pid uint32)) {
	l.config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
		f(conn.PID())
		return nil
	}
}
