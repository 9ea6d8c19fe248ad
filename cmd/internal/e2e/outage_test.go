package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
)

// outage is a trial in which one server loses its database, or the way to it. The writers and a second server
// have direct connections.
type outage struct {
	*trial
	node     *node
	cluster  *pgtest.Cluster // nil if the database is in the shared cluster
	proxy    *pgtest.Proxy   // between the server and the database
	fallback *pgtest.Proxy   // the server tries it when proxy refuses connections
	faultEnd time.Time
}

// TestOutages breaks the database, or the way to it, while others write and read. No event is lost or
// repeated, and /readyz/events fails while events do not arrive.
func TestOutages(t *testing.T) {
	t.Parallel()
	parts := newParts(t)
	defer parts.wait()
	for name, fault := range map[string]func(*outage){
		"listener terminated":               func(o *outage) { o.terminate(`application_name = 'pgherald listener'`) },
		"all backends terminated":           func(o *outage) { o.terminate(`true`) },
		"stopped and started":               func(o *outage) { o.restart((*pgtest.Cluster).Stop) },
		"killed and started":                func(o *outage) { o.restart((*pgtest.Cluster).Kill) },
		"black hole":                        (*outage).blackHole,
		"connections dead, new ones work":   (*outage).dropSilently,
		"connections reset again and again": (*outage).reset,
	} {
		parts.run(name, func(t *testing.T) {
			runOutage(t, strings.HasSuffix(name, "started"), fault)
		})
	}
}

func runOutage(t *testing.T, ownCluster bool, fault func(*outage)) {
	o := newOutage(t, ownCluster)
	healthy := o.trial.node(o.url)
	startNodes(o.ctx, t, o.node, healthy)
	reconnecting := o.subscriber("reconnecting", o.node)
	reconnecting.leaveAtRandom(20_000)
	roaming := o.subscriber("reconnecting at both servers", o.node, healthy)
	roaming.leaveAtRandom(20_000)
	filtered := o.subscriber("filtered", o.node)
	filtered.types = []string{o.table.UpdateType}
	o.subscribe(o.subscriber("steady", o.node), reconnecting, roaming, filtered)
	o.write(4, true)
	o.waitCommits(50)
	fault(o)
	o.awaitReady(true)
	t.Logf("ready %v after the end of the fault", time.Since(o.faultEnd).Round(time.Millisecond))
	o.waitCommits(50)
	o.finish()
}

func newOutage(t *testing.T, ownCluster bool) *outage {
	t.Helper()
	o := &outage{}
	var database string
	if ownCluster {
		o.cluster = pgtest.NewCluster(t)
		database = o.cluster.NewDatabase(t)
	} else {
		database = pgtest.NewDatabase(t)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	o.proxy, o.fallback = pgtest.NewProxy(t, u.Host), pgtest.NewProxy(t, u.Host)
	u.Host = o.proxy.Addr() + "," + o.fallback.Addr()
	o.trial = newTrial(t, database, judge.Counters())
	o.node = o.trial.node(u.String())
	return o
}

// terminate ends backends twice: first with a way back, and then without one, so that the server must report
// that it is not ready. condition selects rows of pg_stat_activity.
func (o *outage) terminate(condition string) {
	o.t.Helper()
	conn := pgtest.Connect(o.t, o.url)
	var ended []int32
	kill := func() {
		o.t.Helper()
		err := conn.QueryRow(o.ctx, `
			select array_agg(pid) filter (where pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and `+condition).Scan(&ended)
		if err != nil {
			o.t.Fatal(err)
		}
	}
	kill()
	o.waitCommits(20)
	o.await("both servers to listen again", func() bool { // kill would not find a listener that still connects
		var n int
		err := conn.QueryRow(o.ctx, `
			select count(*) from pg_stat_activity
			where datname = current_database() and application_name = 'pgherald listener' and pid <> all($1)`, ended).Scan(&n)
		return err == nil && n == 2
	})
	o.refuse(true)
	kill()
	o.awaitNotReady(50)
	o.refuse(false)
}

// refuse makes both proxies refuse connections, or accept them again.
func (o *outage) refuse(on bool) {
	o.proxy.Refuse(on)
	o.fallback.Refuse(on)
}

// cut closes the connections through both proxies.
func (o *outage) cut() {
	o.proxy.Cut()
	o.fallback.Cut()
}

// restart stops the database, for writers too, and starts it again.
func (o *outage) restart(end func(*pgtest.Cluster, testing.TB)) {
	o.t.Helper()
	end(o.cluster, o.t)
	o.awaitNotReady(0)
	o.cluster.Start(o.t)
	o.faultEnd = time.Now()
}

// blackHole holds back all bytes without an error until the listener has disconnected. The fallback refuses
// connections meanwhile: with it, the server would recover before awaitNotReady has seen enough.
func (o *outage) blackHole() {
	o.t.Helper()
	o.fallback.Refuse(true)
	o.proxy.Blackhole(true)
	o.awaitNotReady(50)
	o.await("the listener to disconnect", func() bool { return !o.stats(o.node).Listener.Live })
	o.awaitNotReady(0)
	o.proxy.Blackhole(false)
	o.fallback.Refuse(false)
}

// dropSilently leaves all connections open and dead, like a firewall that has lost its state. The fallback
// accepts connections once the server has reported the loss, so that the report lasts long enough to be seen.
func (o *outage) dropSilently() {
	o.t.Helper()
	o.refuse(true)
	o.proxy.Blackhole(true)
	o.faultEnd = time.Now()
	o.awaitReady(false)
	o.t.Logf("not ready after %v", time.Since(o.faultEnd).Round(time.Millisecond))
	o.fallback.Refuse(false)
}

// reset cuts the connections in use five times, and once more without a way back. The server may have
// connected through either proxy.
func (o *outage) reset() {
	o.t.Helper()
	for range 5 {
		o.cut()
		o.waitCommits(10)
	}
	o.refuse(true)
	o.cut()
	o.awaitNotReady(50)
	o.refuse(false)
}

// awaitNotReady waits until the server is not ready, and checks that it stays so for a number of commits.
func (o *outage) awaitNotReady(commits int) {
	o.t.Helper()
	began := time.Now()
	o.awaitReady(false)
	o.t.Logf("not ready after %v", time.Since(began).Round(time.Millisecond))
	target := o.commits.value() + commits
	for n := 0; n < 20 || o.commits.value() < target; n++ {
		if o.ready() {
			o.t.Error("/readyz/events succeeds, and events cannot arrive")
			break
		}
		if o.writersDone.Err() != nil {
			o.t.Fatal(o.writersDone.Err(), o.failure())
		}
		pause(o.writersDone, 5*time.Millisecond)
	}
	o.faultEnd = time.Now()
}

// awaitReady waits until /readyz/events succeeds, or fails.
func (o *outage) awaitReady(want bool) {
	o.t.Helper()
	o.await(fmt.Sprintf("readiness %t", want), func() bool { return o.ready() == want })
}

func (o *outage) ready() bool {
	o.t.Helper()
	status, _, _, err := o.call(http.MethodGet, o.node.at("/readyz/events"), "")
	if err != nil {
		o.t.Fatal(err)
	}
	return status == http.StatusOK
}
