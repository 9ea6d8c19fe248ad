package main

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// outage is a trial whose server loses its database while everyone writes and reads.
type outage struct {
	*trial
	node    *node
	cluster *pgtest.Cluster
	proxy   *pgtest.Proxy // between the server and the database
}

// TestOutages breaks the database, or the way to it, in the middle of everything. Nothing is lost
// and nothing repeated; /readyz says that events do not arrive while they do not.
func TestOutages(t *testing.T) {
	for name, fault := range map[string]func(o *outage){
		"listener terminated":     func(o *outage) { o.terminate(`application_name = 'pgherald listener'`) },
		"all backends terminated": func(o *outage) { o.terminate(`true`) },
		"stopped and started": func(o *outage) {
			o.cluster.Stop(o.t)
			o.awaitReady(false)
			o.cluster.Start(o.t)
		},
		"killed and started": func(o *outage) {
			o.cluster.Kill(o.t)
			o.awaitReady(false)
			o.cluster.Start(o.t)
		},
		"black hole": func(o *outage) {
			o.proxy.Blackhole(true)
			o.awaitReady(false)
			o.waitCommits(50) // written while the server hears nothing
			o.proxy.Blackhole(false)
		},
		"connections reset again and again": func(o *outage) {
			for range 3 {
				o.proxy.Cut()
				o.waitCommits(20)
			}
			o.proxy.Refuse(true)
			o.proxy.Cut()
			o.awaitReady(false)
			o.waitCommits(50)
			o.proxy.Refuse(false)
		},
	} {
		t.Run(name, func(t *testing.T) { runOutage(t, fault) })
	}
}

func runOutage(t *testing.T, fault func(*outage)) {
	cluster := pgtest.NewCluster(t)
	database := cluster.NewDatabase(t)
	proxy := pgtest.NewProxy(t, cluster.Addr())
	tr := newTrial(t, database, counters())
	o := &outage{trial: tr, cluster: cluster, proxy: proxy, node: tr.node(proxy.URL(database))}
	startNodes(tr.ctx, t, o.node)
	flaky := tr.subscriber("flaky", o.node)
	flaky.atRandom(20_000)
	tr.subscribe(tr.subscriber("steady", o.node), flaky)
	tr.write(4, true)
	tr.waitCommits(100)
	fault(o)
	began := time.Now()
	o.awaitReady(true)
	t.Logf("ready again %v after the fault was over", time.Since(began).Round(time.Millisecond))
	tr.waitCommits(100)
	tr.finish()
}

// terminate ends the backends of the server that the condition names.
func (o *outage) terminate(which string) {
	o.t.Helper()
	database, err := url.Parse(o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	conn := pgtest.Connect(o.t, o.cluster.URL("postgres"))
	pgtest.Exec(o.t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and `+which, database.Path[1:])
}

// awaitReady polls /readyz until it says so, or says that it is not so.
func (o *outage) awaitReady(want bool) {
	o.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for o.ready() != want {
		select {
		case <-tick.C:
		case <-o.ctx.Done():
			o.t.Fatalf("/readyz did not become %t: %v", want, context.Cause(o.ctx))
		}
	}
}

func (o *outage) ready() bool {
	resp, err := o.http.Get(o.node.at("/readyz"))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
