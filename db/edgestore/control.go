package edgestore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/stream/backoff"
)

const (
	minControlPause = 100 * time.Millisecond
	maxControlPause = 5 * time.Second

	// silence is the time after which the connection is tested.
	silence = 5 * time.Second
)

// Control receives what edges notify to each other.
type Control struct {
	store *Store
	retry *backoff.Retry
}

// NewControl returns the notifications of the store.
func NewControl(store *Store, logger *slog.Logger) *Control {
	return &Control{store: store, retry: backoff.New(backoff.Options{
		Min: minControlPause, Max: maxControlPause, Level: slog.LevelWarn, Logger: logger,
		Failing: "notifications of other edges not received, retrying", Recovered: "notifications of other edges received again",
	})}
}

// Listen passes each notification to a function until ctx ends. What is sent while the store is away is lost: its sender asks again.
func (c *Control) Listen(ctx context.Context, onControl func(string)) {
	for c.retry.Wait(ctx) == nil {
		err := c.listen(ctx, onControl)
		if ctx.Err() == nil {
			c.retry.Done(err)
		}
	}
}

// listen returns the error with which the connection ended.
func (c *Control) listen(ctx context.Context, onControl func(string)) error {
	sub := c.store.client.Subscribe(ctx, c.store.key(controlName))
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // the end of ctx interrupts no read
	for isPinged := false; ; {
		m, err := sub.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			isPinged = false
			c.retry.Done(nil)
		case isPinged || !errors.As(err, &timeout) || !timeout.Timeout():
			return err
		default: // a link may be dead without a sign
			isPinged = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
		}
		if m, ok := m.(*redis.Message); ok {
			onControl(m.Payload)
		}
	}
}
