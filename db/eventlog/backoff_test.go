package eventlog_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
)

func TestPrunerBacksOff(t *testing.T) {
	for name, limit := range map[string]int64{"by age": 0, "by size": 1000} {
		t.Run(name, func(t *testing.T) {
			backofftest.Check(t, 3, func(t *testing.T) backofftest.Outage {
				var server pgtest.Refusing
				pool := server.Pool(t)
				p := eventlog.NewPruner(pool, eventlog.PrunerOptions{MaxBytes: limit})
				return backofftest.Outage{Run: p.Run, Attempts: server.Attempts, Close: pool.Close}
			})
		})
	}
}

func TestMonitorBacksOff(t *testing.T) {
	backofftest.Check(t, 13, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		pool := server.Pool(t)
		m := eventlog.NewMonitor(pool, eventlog.MonitorOptions{})
		return backofftest.Outage{Run: m.Run, Attempts: server.Attempts, Close: pool.Close}
	})
}
