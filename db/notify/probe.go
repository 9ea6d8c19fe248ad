package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// errNoEcho is the reason for disconnecting a listener whose connection reports no error.
var errNoEcho = errors.New("a notification that pgherald sent to itself did not come back: " +
	"either the connection is dead, or the URL leads through a transaction-mode pooler, where LISTEN has no effect; " +
	"in that case give a direct URL with --listen-database-url")

// runProbes probes each new connection, and then at intervals. A connection can be dead, or lead
// through a pooler, without an error on either side.
func (l *Listener) runProbes(ctx context.Context) {
	interval := time.NewTicker(l.opts.ProbeInterval)
	defer interval.Stop()
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-l.ready:
			l.probe(ctx, number)
			interval.Reset(l.opts.ProbeInterval)
		case <-interval.C:
			l.retryLock(ctx)
			if l.needsProbe() {
				l.probe(ctx, number)
			}
		}
	}
}

// needsProbe reports whether the connection has delivered nothing for an interval. Without a connection
// there is nothing to probe.
func (l *Listener) needsProbe() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := l.live && time.Since(l.lastReceived) < l.opts.ProbeInterval
	return l.conn != nil && !recent
}

// probe sends a notification on probeChannel and waits until it comes back. If it does not, or if LISTEN
// takes longer than ProbeTimeout, probe disconnects.
func (l *Listener) probe(ctx context.Context, number int) {
	l.mu.Lock()
	conn, connCtx, ready := l.conn, l.connCtx, l.channels == channelCount
	stuck := conn != nil && !ready && time.Since(l.connectedAt) > l.opts.ProbeTimeout
	l.mu.Unlock()
	if stuck {
		l.disconnect(ctx, conn, errNoEcho)
	}
	if conn == nil || !ready {
		return
	}
	sent := time.Now()
	if err := l.awaitEcho(connCtx, fmt.Sprintf("%s:%d", l.name, number)); err != nil {
		l.disconnect(ctx, conn, err)
		return
	}
	l.setConnected(conn, time.Since(sent))
}

// sendProbe sends a probe.
func (l *Listener) sendProbe(ctx context.Context, payload string) error {
	return l.withSender(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `select pg_notify($1, $2)`, probeChannel, payload)
		return err
	})
}

// withSender calls do with the connection of the sender. That has one: if it is dead, the next call needs another one.
func (l *Listener) withSender(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := l.sender.Acquire(ctx)
	if err != nil {
		return err
	}
	defer db.Abandon(conn)
	return do(conn.Conn())
}

// awaitEcho sends a probe and waits for its payload, within ProbeTimeout.
func (l *Listener) awaitEcho(ctx context.Context, payload string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.opts.ProbeTimeout, errNoEcho)
	defer cancel()
	if err := l.sendProbe(ctx, payload); err != nil {
		return fmt.Errorf("send a probe: %w", err)
	}
	for {
		select {
		case received := <-l.echo:
			if received == payload {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
