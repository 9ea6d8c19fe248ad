package control_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/backoff/backofftest"
)

func TestPresenceBacksOff(t *testing.T) {
	backofftest.Check(t, 60, func(t *testing.T) backofftest.Outage {
		var server pgtest.Refusing
		pool := server.Pool(t)
		p := control.NewPresence(pool, control.PresenceOptions{})
		wake := func() { p.Opened("ann"); p.Closed("ann") }
		return backofftest.Outage{Run: p.Run, Wake: wake, Attempts: server.Attempts, Close: pool.Close}
	})
}
