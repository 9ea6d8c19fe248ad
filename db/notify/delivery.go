package notify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// deliveryTimeout bounds CheckDelivery. Notifications take milliseconds.
const deliveryTimeout = 10 * time.Second

// CheckDelivery checks that listening receives a notification that sending sends: two connections that were made
// with one URL. If that leads through a pooler in transaction mode, the error wraps db.ErrPooler. Such a pooler
// accepts LISTEN, lends the session to the next client, and delivers nothing or to the wrong one.
//
// The check asks for no process ids, since a pooler may report those of PostgreSQL. It runs before anything else
// uses sessions, which would fail there with errors that do not name the cause.
func CheckDelivery(ctx context.Context, listening, sending *pgx.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("no notification came within %v: %w", deliveryTimeout, db.ErrPooler))
	defer cancel()
	channel := pgx.Identifier{fmt.Sprintf("pgherald_check_%016x", rand.Uint64())}
	if _, err := listening.Exec(ctx, "listen "+channel.Sanitize()); err != nil {
		return fmt.Errorf("listen for a notification: %w", db.ExplainSession(err))
	}
	if _, err := sending.Exec(ctx, `select pg_catalog.pg_notify($1, '')`, channel[0]); err != nil {
		return fmt.Errorf("send a notification: %w", db.ExplainSession(err))
	}
	err := awaitDelivery(ctx, listening, sending)
	// A pooled session outlives the check. It is the one that the sender got, or the listener gets again.
	for _, conn := range []*pgx.Conn{sending, listening} {
		if _, failed := conn.Exec(ctx, "unlisten "+channel.Sanitize()); err == nil && failed != nil {
			err = fmt.Errorf("stop listening: %w", db.ExplainSession(failed))
		}
	}
	return err
}

// awaitDelivery waits for the notification. If the sender has received it, both had the same session.
func awaitDelivery(ctx context.Context, listening, sending *pgx.Conn) error {
	// PostgreSQL sends a notification to the session that sent it before the answer to its statement.
	if received(ctx, sending) {
		return fmt.Errorf("a notification went to another connection than the one that listens: %w", db.ErrPooler)
	}
	if _, err := listening.WaitForNotification(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("wait for a notification: %w", err)
	}
	return nil
}

// received reports whether the connection has read a notification. It does not wait for one.
func received(ctx context.Context, conn *pgx.Conn) bool {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	n, err := conn.WaitForNotification(ended)
	return err == nil && n != nil
}
