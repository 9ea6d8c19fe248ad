package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/edgestate"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/relay"
	"github.com/pgherald/pgherald/triggers"
)

const (
	// describeInterval is the time between two descriptions, also of an unchanged spec: the store may have lost the last one.
	describeInterval = time.Second
	// describeTimeout bounds one.
	describeTimeout = 30 * time.Second
)

// controlNotified notes that triggers or specs may have changed. Any role of the database can send a payload.
func (r *runner) controlNotified(payload string) {
	if payload != triggers.AppliedPayload {
		return
	}
	select {
	case r.applied <- struct{}{}:
	default:
	}
}

// describe publishes what the spec gives until ctx ends, or another relay writes.
func (r *runner) describe(ctx context.Context, w relay.Writer) {
	description := &server.Description{Watch: r.config.Watch, Recent: r.log.RecentTypes, Logger: r.config.Logger}
	retry := backoff.New(backoff.Options{
		Min: minPause, Max: maxPause, Level: slog.LevelWarn, Logger: r.config.Logger,
		Failing: "description of the collections not published to edges, retrying", Recovered: "description of the collections published to edges again",
	})
	for retry.Wait(ctx) == nil {
		err := r.describeOnce(ctx, w, description)
		if ctx.Err() != nil || errors.Is(err, relay.ErrStale) {
			return
		}
		retry.Done(err)
		if err == nil && backoff.SleepUntil(ctx, describeInterval, r.applied) != nil {
			return
		}
	}
}

func (r *runner) describeOnce(ctx context.Context, w relay.Writer, d *server.Description) error {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	conn, err := r.logPool.Acquire(ctx)
	if err != nil {
		return db.Explain(err)
	}
	defer conn.Release()
	text, err := d.Describe(ctx, conn.Conn())
	if err != nil {
		return db.Explain(err)
	}
	return r.store.Publish(ctx, w, text)
}

// shareState passes revocations and presence between the database and the store until ctx ends.
func (r *runner) shareState(ctx context.Context) {
	edgestate.Run(ctx, edgestate.Config{
		Pool: r.logPool, Store: edgestore.New(r.store.Client(), r.store.Key), Presence: control.PresenceOptions{Report: r.report},
		OnReport: func(reports [][]byte) { r.reports.Store(&reports) }, Logger: r.config.Logger,
	})
}

// report returns what the relay says about itself and its edges, as JSON.
func (r *runner) report() []byte {
	var edges [][]byte
	if reports := r.reports.Load(); reports != nil {
		edges = *reports
	}
	return server.RelayReport(edges, r.config.Metrics.hasCopied(), r.began)
}
