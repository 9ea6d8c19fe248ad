package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// A leader whose role is at its limit of connections leaves the wake-ups to the writers, and leads once it can.
func TestLeaderAtTheLimitOfConnections(t *testing.T) {
	url := newWatchedTable(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, `create role limited_leader login connection limit 0;
		grant usage on schema pgherald to limited_leader;
		grant select on pgherald.events to limited_leader`)
	t.Cleanup(func() { pgtest.Exec(t, conn, `drop owned by limited_leader; drop role limited_leader`) })
	r := newReplica(t, url, replicaOptions{leaderURL: strings.Replace(url, "postgres@", "limited_leader@", 1)})
	requestLeader(t, conn)
	for deadline := time.Now().Add(hangLimit); r.leader.Status().Failures < 2; {
		requestLeader(t, conn) // as busy writers do
		if time.Now().After(deadline) {
			t.Fatal("the leader does not try to connect")
		}
	}
	next := listenForWakeUps(t, url)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`)
	if payload := next(); !strings.HasPrefix(payload, `{"table" : "public.rows"`) {
		t.Errorf("received %s, want the notification of the writer", payload)
	}
	r.awaitAnnounced(conn, "while the leader cannot connect")
	pgtest.Exec(t, conn, `alter role limited_leader connection limit -1`)
	r.lead(conn, notify.StepLeading)
}
