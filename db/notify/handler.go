package notify

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream/pacing"
)

// handler passes the notifications of one channel to the listener.
type handler struct {
	listener *Listener
	handle   func(payload string)
}

// HandleNotification runs on the goroutine that reads the socket. It must not block: a listener that
// does not read keeps the notification queue of the whole cluster from being truncated.
func (h *handler) HandleNotification(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	h.handle(n.Payload)
	return nil
}

// HandleBacklog runs after the LISTEN of each channel. After an error, pgxlisten would log it and go on
// listening, so HandleBacklog closes the connection: the next read fails, and the listener reconnects.
func (h *handler) HandleBacklog(ctx context.Context, _ string, conn *pgx.Conn) error {
	if err := h.listener.validate(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return err
	}
	h.listener.onListening()
	return nil
}

// onListening counts the channels of a new connection. After the last one it wakes the reader, since
// events may have been written while no connection listened.
func (l *Listener) onListening() {
	l.mu.Lock()
	l.channels++
	all := l.channels == channelCount
	l.mu.Unlock()
	if all {
		signal(l.wake, struct{}{})
		signal(l.ready, struct{}{})
	}
}

// onNotification handles a wake-up. It ignores those of this server's own leader, which has woken the
// reader itself.
func (l *Listener) onNotification(payload string) {
	n, now := parseNotification(payload, l.name), time.Now()
	l.mu.Lock()
	l.lastReceived = now
	busy := !n.fromLeader && l.meter.isBusy(now)
	l.mu.Unlock()
	if busy || n.draining && !n.own {
		signal(l.leaderWanted, struct{}{})
	}
	if !n.own {
		signal(l.wake, struct{}{})
	}
}

// onProbe handles a probe, and ignores those of other servers.
func (l *Listener) onProbe(payload string) {
	if len(payload) > len(l.name) && strings.HasPrefix(payload, l.name) {
		signal(l.echo, payload)
	}
}

// notificationMeter counts the notifications of writers.
type notificationMeter struct {
	since time.Time
	count int
}

// isBusy counts a notification that arrived at now, and reports whether a leader is wanted.
func (m *notificationMeter) isBusy(now time.Time) bool {
	if now.Sub(m.since) > pacing.BusyWindow {
		m.since, m.count = now, 0
	}
	m.count++
	return m.count >= pacing.BusyNotifications
}
