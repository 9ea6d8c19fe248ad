package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoEcho is why a listener goes down that seemed to be connected.
var errNoEcho = errors.New("a notification that pgherald sent to itself did not come back: " +
	"either the connection is dead, or the URL leads through a transaction-mode pooler, where LISTEN has no effect; " +
	"in that case give a direct URL with --listen-database-url")

// watch proves again and again that notifications arrive, since a connection may be dead, or
// lead through a pooler, without any error. It closes the connection when none does.
func (l *Listener) watch(ctx context.Context) {
	interval := time.NewTicker(l.opts.ProbeInterval)
	defer interval.Stop()
	for probe := 0; ; probe++ {
		select {
		case <-ctx.Done():
			return
		case <-l.listening:
			l.check(ctx, probe)
			interval.Reset(l.opts.ProbeInterval)
		case <-interval.C:
			if l.needsProof() {
				l.check(ctx, probe)
			}
		}
	}
}

// needsProof is false when a notification has just come, and when there is no connection to
// prove anything of.
func (l *Listener) needsProof() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := l.live && time.Since(l.heard) < l.opts.ProbeInterval
	return l.conn != nil && !recent
}

// check sends a probe and waits for it to come back.
func (l *Listener) check(ctx context.Context, probe int) {
	l.mu.Lock()
	conn, using, ready := l.conn, l.using, l.channels == channels
	stuck := conn != nil && !ready && time.Since(l.connected) > l.opts.ProbeTimeout
	l.mu.Unlock()
	if stuck {
		l.giveUp(ctx, conn, errNoEcho)
	}
	if conn == nil || !ready {
		return
	}
	sent := time.Now()
	if err := l.roundTripOf(using, fmt.Sprintf("%s:%d", l.name, probe)); err != nil {
		l.giveUp(ctx, conn, err)
		return
	}
	l.up(conn, time.Since(sent))
}

func (l *Listener) roundTripOf(ctx context.Context, payload string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.opts.ProbeTimeout, errNoEcho)
	defer cancel()
	if _, err := l.sender.Exec(ctx, `select pg_notify($1, $2)`, probeChannel, payload); err != nil {
		return fmt.Errorf("send a probe: %w", err)
	}
	for {
		select {
		case got := <-l.echo:
			if got == payload {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// up marks the listener live.
func (l *Listener) up(conn *pgx.Conn, roundTrip time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return
	}
	l.roundTrip, l.heard = roundTrip, time.Now()
	if l.live {
		return
	}
	l.live, l.reason, l.attempts = true, nil, 1
	l.noteChange()
	l.opts.Logger.Info("listener is up", "round_trip", roundTrip)
}

// giveUp closes the connection under the reader, who then makes a new one. If it is no longer the
// one in use, there is nothing to give up: another may be up already.
func (l *Listener) giveUp(ctx context.Context, conn *pgx.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn || ctx.Err() != nil {
		return
	}
	l.fall(err)
	_ = conn.PgConn().Conn().Close() // the socket: Conn.Close would wait for a server that is silent
}

// down is told by the reader that the connection is lost, or that there is none to be had. A stop
// is not an outage.
func (l *Listener) down(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fall(err)
}

// fall marks the listener as not live, ends the probe that is under way, and logs an outage once.
// It must be called with mu held.
func (l *Listener) fall(err error) {
	if l.live || l.reason == nil {
		l.opts.Logger.Error("listener is down; it reconnects until it succeeds", "error", err)
	} else {
		l.opts.Logger.Debug("listener could not connect", "attempt", l.attempts, "error", err)
	}
	if l.live {
		l.disconnects++
	}
	l.live, l.conn = false, nil
	if l.lost != nil {
		l.lost()
	}
	if errors.Is(err, net.ErrClosed) {
		return // we closed the connection ourselves, and the reason is known
	}
	l.reason = err
	l.noteChange()
}

// noteChange must be called with mu held.
func (l *Listener) noteChange() {
	close(l.changed)
	l.changed = make(chan struct{})
}
