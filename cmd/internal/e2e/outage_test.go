package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
)

// outage is a trial of which one server loses its database while everyone writes and reads. The
// writers, and another server, have a way of their own to the database.
type outage struct {
	*trial
	node    *node
	cluster *pgtest.Cluster // nil if the database is on the shared one
	proxy   *pgtest.Proxy   // between the server and the database
	detour  *pgtest.Proxy   // the server tries it when the other one refuses
	over    time.Time       // when the fault was
}

// TestOutages breaks the database, or the way to it, in the middle of everything. Nothing is lost
// and nothing repeated; /readyz says that events do not arrive while they do not.
func TestOutages(t *testing.T) {
	for name, fault := range map[string]func(*outage){
		"listener terminated":               func(o *outage) { o.terminate(`application_name = 'pgherald listener'`) },
		"all backends terminated":           func(o *outage) { o.terminate(`true`) },
		"stopped and started":               func(o *outage) { o.restart((*pgtest.Cluster).Stop) },
		"killed and started":                func(o *outage) { o.restart((*pgtest.Cluster).Kill) },
		"black hole":                        (*outage).blackHole,
		"connections dead, new ones work":   (*outage).strand,
		"connections reset again and again": (*outage).reset,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runOutage(t, strings.HasSuffix(name, "started"), fault)
		})
	}
}

func runOutage(t *testing.T, own bool, fault func(*outage)) {
	o := newOutage(t, own)
	healthy := o.trial.node(o.url)
	startNodes(o.ctx, t, o.node, healthy)
	flaky := o.subscriber("flaky", o.node)
	flaky.atRandom(20_000)
	restless := o.subscriber("flaky, and at both servers", o.node, healthy)
	restless.atRandom(20_000)
	picky := o.subscriber("picky", o.node)
	picky.types = []string{o.load.UpdateType}
	o.subscribe(o.subscriber("steady", o.node), flaky, restless, picky)
	o.write(4, true)
	o.waitCommits(50)
	fault(o)
	o.awaitReady(true)
	t.Logf("ready %v after the fault was over", time.Since(o.over).Round(time.Millisecond))
	o.waitCommits(50)
	o.finish()
}

func newOutage(t *testing.T, own bool) *outage {
	t.Helper()
	o := &outage{}
	var database string
	if own {
		o.cluster = pgtest.NewCluster(t)
		database = o.cluster.NewDatabase(t)
	} else {
		database = pgtest.NewDatabase(t)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	o.proxy, o.detour = pgtest.NewProxy(t, u.Host), pgtest.NewProxy(t, u.Host)
	u.Host = o.proxy.Addr() + "," + o.detour.Addr()
	o.trial = newTrial(t, database, judge.Counters())
	o.node = o.trial.node(u.String())
	return o
}

// terminate ends backends twice: once to see how soon all is well again, and once while there is
// no way back, to see what the server says.
func (o *outage) terminate(which string) {
	o.t.Helper()
	conn := pgtest.Connect(o.t, o.url)
	var ended []int32
	kill := func() {
		o.t.Helper()
		err := conn.QueryRow(o.ctx, `
			select array_agg(pid) filter (where pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and `+which).Scan(&ended)
		if err != nil {
			o.t.Fatal(err)
		}
	}
	kill()
	o.waitCommits(20)
	o.await("both servers to listen again", func() bool { // one that is about to would not be found
		var n int
		err := conn.QueryRow(o.ctx, `
			select count(*) from pg_stat_activity
			where datname = current_database() and application_name = 'pgherald listener' and pid <> all($1)`, ended).Scan(&n)
		return err == nil && n == 2
	})
	o.refuse(true)
	kill()
	o.down(50)
	o.refuse(false)
}

func (o *outage) refuse(on bool) {
	o.proxy.Refuse(on)
	o.detour.Refuse(on)
}

func (o *outage) cut() {
	o.proxy.Cut()
	o.detour.Cut()
}

// restart leaves nobody to write to meanwhile.
func (o *outage) restart(end func(*pgtest.Cluster, testing.TB)) {
	o.t.Helper()
	end(o.cluster, o.t)
	o.down(0)
	o.cluster.Start(o.t)
	o.over = time.Now()
}

// blackHole holds all traffic back, without an error, until the listener too has disconnected. The other
// address refuses meanwhile: a slow machine would otherwise find it before down has seen enough.
func (o *outage) blackHole() {
	o.t.Helper()
	o.detour.Refuse(true)
	o.proxy.Blackhole(true)
	o.down(50)
	o.await("the listener to give up", func() bool { return !o.listening() })
	o.down(0)
	o.proxy.Blackhole(false)
	o.detour.Refuse(false)
}

// strand leaves every connection open and dead, as a firewall does that has forgotten them. The server
// finds the other address once it has reported the loss, however short that report would be otherwise.
func (o *outage) strand() {
	o.t.Helper()
	o.refuse(true)
	o.proxy.Blackhole(true)
	o.over = time.Now()
	o.awaitReady(false)
	o.t.Logf("noticed after %v", time.Since(o.over).Round(time.Millisecond))
	o.detour.Refuse(false)
}

// reset cuts the connections while they are in use, at last for a while. The server may have connected
// through either proxy by then.
func (o *outage) reset() {
	o.t.Helper()
	for range 5 {
		o.cut()
		o.waitCommits(10)
	}
	o.refuse(true)
	o.cut()
	o.down(50)
	o.refuse(false)
}

// down waits until the server says that it is not ready, and sees that it goes on saying so until
// so many transactions have been committed.
func (o *outage) down(commits int) {
	o.t.Helper()
	began := time.Now()
	o.awaitReady(false)
	o.t.Logf("down after %v", time.Since(began).Round(time.Millisecond))
	target := o.commits.value() + commits
	for n := 0; n < 20 || o.commits.value() < target; n++ {
		if o.ready() {
			o.t.Error("/readyz says that events arrive, and there is no way for them")
			break
		}
		if o.quitted.Err() != nil {
			o.t.Fatal(o.quitted.Err(), o.failure())
		}
		pause(o.quitted, 5*time.Millisecond)
	}
	o.over = time.Now()
}

// awaitReady waits until /readyz says so, or says that it is not so.
func (o *outage) awaitReady(want bool) {
	o.t.Helper()
	o.await(fmt.Sprintf("/readyz to become %t", want), func() bool { return o.ready() == want })
}

func (o *outage) ready() bool {
	o.t.Helper()
	status, _, _, err := o.call(http.MethodGet, o.node.at("/readyz"), "")
	if err != nil {
		o.t.Fatal(err)
	}
	return status == http.StatusOK
}

// listening is what the server says of its listener.
func (o *outage) listening() bool {
	o.t.Helper()
	var stats api.Stats
	_, _, body, err := o.call(http.MethodGet, o.node.at("/api/stats"), "")
	if err := errors.Join(err, json.Unmarshal(body, &stats)); err != nil {
		o.t.Fatal(err)
	}
	return stats.Listener.Live
}
