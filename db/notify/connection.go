package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/bounds"
)

// minBackoff is the first pause between two attempts to connect.
const minBackoff = 100 * time.Millisecond

// connect returns a connection to pgxlisten, which calls it again after each loss and each error. Before
// each attempt except the first, it backs off.
func (l *Listener) connect(ctx context.Context) (*pgx.Conn, error) {
	l.mu.Lock()
	conn := l.initial
	l.initial = nil
	l.mu.Unlock()
	if conn == nil {
		if err := l.retry.Wait(ctx); err != nil {
			return nil, err
		}
		var err error
		if conn, err = l.dial(ctx); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.connectedAt, l.channels = conn, time.Now(), 0
	l.connCtx, l.cancelConn = context.WithCancel(ctx)
	return conn, nil
}

// dial connects and sets up the session, within ProbeTimeout.
func (l *Listener) dial(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.opts.ProbeTimeout,
		fmt.Errorf("no connection within %v", l.opts.ProbeTimeout))
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil && context.Cause(ctx) != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, db.PinSQL+";"+db.AllowIdleSQL+";"+bounds.SessionSQL); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the listener's session: %w", err), conn.Close(ctx))
	}
	if err := l.notePooler(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	l.onStep(stepConnected)
	if err := l.shareLock(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// notePooler records whether the connection leads through a pooler: a pooler gives each client a process id of
// its own invention. In session mode that does no harm. In transaction mode each step of listening may fail
// with an error that does not name the cause.
func (l *Listener) notePooler(ctx context.Context, conn *pgx.Conn) error {
	var backend uint32
	err := conn.QueryRow(ctx, `select pg_catalog.pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&backend)
	if err != nil {
		return fmt.Errorf("read the process id of the listener's session: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.throughPooler = backend != conn.PgConn().PID()
	return nil
}

// disconnect closes conn, whose probe failed with err. pgxlisten's read then fails, and it connects
// again. disconnect does nothing if the listener already uses another connection, which may be live.
func (l *Listener) disconnect(ctx context.Context, conn *pgx.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn || ctx.Err() != nil {
		return
	}
	l.setDisconnected(err)
	_ = conn.PgConn().Conn().Close() // the socket: Conn.Close would wait for a silent server
}

// onError handles a lost connection or a failed attempt to connect. A shutdown is not an outage.
func (l *Listener) onError(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setDisconnected(err)
}

// setConnected records that a probe of conn has come back.
func (l *Listener) setConnected(conn *pgx.Conn, roundTrip time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return
	}
	l.roundTrip, l.lastReceived = roundTrip, time.Now()
	if l.live {
		return
	}
	l.live, l.reason = true, nil
	l.retry.Succeeded()
	l.broadcastChange()
	l.opts.Logger.Info("listener connected", "round_trip_ms", float64(roundTrip.Microseconds())/1000)
}

// setDisconnected records an outage or a failed attempt, and ends a probe that is under way. The caller must hold mu.
func (l *Listener) setDisconnected(err error) {
	if l.live {
		l.disconnects++
	}
	l.live, l.conn = false, nil
	if l.cancelConn != nil {
		l.cancelConn()
	}
	if errors.Is(err, net.ErrClosed) {
		return // disconnect has closed the connection and recorded the reason
	}
	l.retry.Failed(err)
	l.reason = err
	l.broadcastChange()
}

// broadcastChange wakes every WaitLive. The caller must hold mu.
func (l *Listener) broadcastChange() {
	close(l.changed)
	l.changed = make(chan struct{})
}
