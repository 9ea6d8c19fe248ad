package notify

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SetBacklog replaces what must work on each new connection.
func (l *Listener) SetBacklog(f func(context.Context, *pgx.Conn) error) { l.backlog = f }

// SetProbeTimeout is for a listener that does not run yet.
func (l *Listener) SetProbeTimeout(d time.Duration) { l.opts.ProbeTimeout = d }

// OnConnect tells of each session's backend. It is for a waker that does not run yet.
func (w *Leader) OnConnect(told func(pid uint32)) {
	w.config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
		told(conn.PID())
		return nil
	}
}
