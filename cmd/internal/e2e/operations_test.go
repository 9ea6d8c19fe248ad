package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

func operations(ctx context.Context, t *testing.T, n *node) (o status.Operations) {
	t.Helper()
	text := get(ctx, t, n.at("/api/operations"))
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

// TestOperations looks at two servers from one of them, stops the other, and breaks a trigger.
func TestOperations(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.NewDatabase(t)
	conn := pgtest.Connect(t, url)
	often := func(c *server.Config) { c.Tuning.TriggerCheckInterval = 50 * time.Millisecond }
	nodes := []*node{newNode(url, often), newNode(url, often)}
	startNodes(ctx, t, nodes...)
	for _, n := range nodes {
		t.Cleanup(func() { n.end(t) })
	}
	openFrames(ctx, t, nodes[0])
	pgtest.Exec(t, conn, `select pgherald.publish('note', '1')`)
	var o status.Operations
	waitFor(ctx, t, "both servers, a stream, an event, and no error of a busy machine", func() bool {
		o = operations(ctx, t, nodes[0])
		return len(o.Replicas) == 2 && o.Replicas[1].Report != nil && o.Replicas[0].Events == 1 && o.Replicas[0].Streams == 1 &&
			o.Replicas[0].Ready && o.Error == "" && o.Log.Error == "" && o.Doctor != nil && o.Doctor.Error == ""
	})
	self, other := o.Replicas[0], o.Replicas[1]
	if self.ID != o.Self || other.ID == o.Self || !self.Ready || self.Version == "" || other.Version != self.Version || self.StartedAt.IsZero() || other.State != status.ReplicaRunning {
		t.Errorf("the servers are %+v %+v and %+v %+v", self, self.Report, other, other.Report)
	}
	if o.Log.Events != 1 && o.Log.Events != 0 || o.Log.Bytes == 0 || o.Log.RetainAge != 86400 || o.Log.Newest.IsZero() || o.Log.Error != "" || o.Error != "" {
		t.Errorf("the log is %+v, the error %q", o.Log, o.Error)
	}
	if o.Resets["pruned"] != 0 || len(o.Resets) != 4 || o.Leader.State == "" {
		t.Errorf("resets %v, leader %v", o.Resets, o.Leader)
	}
	if o.Doctor == nil || o.Doctor.Error != "" || !slices.ContainsFunc(o.Doctor.Findings, func(f status.Finding) bool { return f.Check == "listen" && f.Level == "ok" }) {
		t.Errorf("the doctor says %+v", o.Doctor)
	}
	if err := nodes[1].stop(); err != nil {
		t.Error(err)
	}
	waitFor(ctx, t, "the server that stopped", func() bool {
		o = operations(ctx, t, nodes[0])
		return o.Error == "" && (len(o.Replicas) == 1 || o.Replicas[1].State == status.ReplicaStopped) // one if its grace period has ended, too
	})
	pgtest.Exec(t, conn, `alter table public.activities disable trigger user`)
	waitFor(ctx, t, "the drift", func() bool {
		o = operations(ctx, t, nodes[0])
		return o.Triggers != nil && len(o.Triggers.Drift) > 0
	})
	if d := o.Triggers.Drift[0]; d.Table != "public.activities" || !strings.Contains(d.Remedy, "apply") {
		t.Errorf("the drift is %+v", d)
	}
}

// TestOperationsWithHostileReports reads what other programs may have written to pgherald.replicas.
func TestOperationsWithHostileReports(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.NewDatabase(t)
	n := newNode(url)
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	conn := pgtest.Connect(t, url)
	for _, report := range []string{`[]`, `{"streams":"x"}`, `{"startedAt":1}`, `null`, `{"name":"` + strings.Repeat("x", 5000) + `"}`, `{"resets":{"pruned":1,"invented":7},"leader":"leading"}`} {
		pgtest.Exec(t, conn, `insert into pgherald.replicas (id, report) select 'other ' || count(*), $1::text::json from pgherald.replicas`, report)
	}
	pgtest.Exec(t, conn, `insert into pgherald.replicas (id) select 'many ' || i from generate_series(1, 1000) as i`)
	var o status.Operations
	waitFor(ctx, t, "an answer without an error of a busy machine", func() bool {
		o = operations(ctx, t, n)
		return o.Error == ""
	})
	if len(o.Replicas) > 201 || o.Replicas[0].ID != o.Self || o.Resets["pruned"] > 1 || o.Resets["invented"] != 0 || o.Error != "" {
		t.Errorf("%d servers, the first is %s; resets %v, error %q", len(o.Replicas), o.Replicas[0].ID, o.Resets, o.Error)
	}
}
