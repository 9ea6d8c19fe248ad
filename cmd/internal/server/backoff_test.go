package server

import (
	"log/slog"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
	"github.com/pgherald/pgherald/triggers"
)

// Triggers whose expressions fail ask for a check with every row.
func TestWatcherBacksOff(t *testing.T) {
	backofftest.Check(t, 26, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		pool := server.Pool(t)
		w := newWatcher(pool, triggers.Workload(), time.Minute, slog.New(slog.DiscardHandler))
		return backofftest.Outage{Run: w.Run, Wake: w.wake, Attempts: server.Attempts, Close: pool.Close}
	})
}
