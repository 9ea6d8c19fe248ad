package forward

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestReset checks what happens if the log no longer reaches back to the position.
func TestReset(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	config := testConfig(databaseURL, r.url)
	stop := start(t, config)
	publish(t, conn, "a")
	r.await("an event", func() bool { return len(r.all) == 1 })
	_ = stop()
	publish(t, conn, "lost")
	removeEvents(t, conn)
	_, isReset := errors.AsType[*ResetError](wait(t, config))
	if !isReset {
		t.Error("forward went on after a reset")
	}
	config.ContinueOnReset = true
	start(t, config)
	r.await("the reset", func() bool { return len(r.all) == 2 })
	publish(t, conn, "b")
	r.await("an event after it", func() bool { return r.last["b"] > 0 })
	if e := r.events()[1]; e.Type != "sync" || string(e.Data) != `{"mode":"reset","reason":"pruned"}` {
		t.Errorf("got %+v", e)
	}
}

// removeEvents removes all events from the log as pruning does: no transaction of theirs or before it runs any more. A bound above
// transactions that run, of other databases too, would reset readers that have them as holes a second time.
func removeEvents(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for isBeside := true; isBeside; {
		err := conn.QueryRow(t.Context(), `select exists (select from pgherald.events where xid >= pg_snapshot_xmin(pg_current_snapshot()))`).Scan(&isBeside)
		if err != nil {
			t.Fatal(err)
		}
	}
	pgtest.Exec(t, conn, `delete from pgherald.events`)
	pgtest.Exec(t, conn, `update pgherald.log set pruned_below = pg_snapshot_xmin(pg_current_snapshot())`)
}
