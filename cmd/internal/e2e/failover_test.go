package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/status"
)

// TestLeaderFailover runs two replicas as processes and kills or freezes the one that leads, again and
// again, under writers that keep a leader needed. Clients of a killed replica reconnect to the other one;
// clients of a frozen one wait. The longest time without an event is logged.
func TestLeaderFailover(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.Counters())
	p := newReplicaPair(tr)
	for _, name := range []string{"first", "second", "third", "fourth"} {
		s := tr.subscriber(name, p.nodes()...)
		s.betweenReads = p.measureSilence()
		tr.subscribe(s)
	}
	filtered := tr.subscriber("filtered", p.nodes()...)
	filtered.types = []string{tr.table.UpdateType}
	reconnecting := tr.subscriber("reconnecting", p.nodes()...)
	reconnecting.leaveAtRandom(60_000)
	tr.subscribe(filtered, reconnecting)
	tr.write(5, false)
	tr.sendWakeUps() // the writers alone may send too few for a leader on a slow machine
	for n, fault := range []func(leader, other *replicaProcess){p.kill, p.freeze, p.kill, p.kill, p.freeze, p.kill} {
		tr.waitCommits(100)
		fault(p.awaitLeader())
		tr.waitCommits(100)
		t.Logf("fault %d: the longest silence was %v", n, p.longestSilence().Round(time.Millisecond))
	}
	tr.finish()
}

// replicaPair is two replicas of the program on one database.
type replicaPair struct {
	*trial
	binary   string
	args     []string
	replicas [2]*replicaProcess

	mu      sync.Mutex
	silence time.Duration // longest time between two reads of a client, since the last call of longestSilence
}

// replicaProcess is a replica. Its node has a URL for clients and nothing else.
type replicaProcess struct {
	program *program
	node    *node
}

func newReplicaPair(tr *trial) *replicaPair {
	tr.t.Helper()
	spec := filepath.Join(tr.t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(tr.table.Spec), 0o600); err != nil {
		tr.t.Fatal(err)
	}
	p := &replicaPair{trial: tr, binary: buildProgram(tr.t), args: []string{"--spec=" + spec}}
	for i := range p.replicas {
		p.replicas[i] = &replicaProcess{node: &node{}}
		p.start(p.replicas[i])
	}
	return p
}

func (p *replicaPair) nodes() []*node { return []*node{p.replicas[0].node, p.replicas[1].node} }

// start starts a replica, at a new address.
func (p *replicaPair) start(r *replicaProcess) {
	p.t.Helper()
	var url string
	r.program, url = serveProgram(p.t, p.binary, p.url, p.args...)
	r.node.mu.Lock()
	defer r.node.mu.Unlock()
	r.node.url = url
}

// awaitLeader waits until one of the replicas leads.
func (p *replicaPair) awaitLeader() (leader, other *replicaProcess) {
	p.t.Helper()
	leader, other = p.replicas[0], p.replicas[1]
	p.await("a leader", func() bool {
		if !p.isLeading(leader) {
			leader, other = other, leader
			return p.isLeading(leader)
		}
		return true
	})
	return leader, other
}

func (p *replicaPair) isLeading(r *replicaProcess) bool {
	p.t.Helper()
	return p.stats(r.node).Listener.Leader.State == status.Leading
}

// kill kills the leader, as the kernel does when memory runs out, and starts another replica after many
// writes.
func (p *replicaPair) kill(leader, _ *replicaProcess) {
	p.t.Helper()
	leader.program.signal(p.t, syscall.SIGKILL)
	<-leader.program.ended
	p.waitCommits(200)
	p.start(leader)
}

// freeze stops the leader until PostgreSQL has ended its session and the other replica leads. Meanwhile
// writers send wake-ups themselves.
func (p *replicaPair) freeze(leader, other *replicaProcess) {
	p.t.Helper()
	leader.program.signal(p.t, syscall.SIGSTOP)
	p.await("the other replica to lead", func() bool { return p.isLeading(other) })
	leader.program.signal(p.t, syscall.SIGCONT)
}

// measureSilence returns a function for subscriber.betweenReads.
func (p *replicaPair) measureSilence() func(context.Context) {
	last := time.Now()
	return func(context.Context) {
		now := time.Now()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.silence, last = max(p.silence, now.Sub(last)), now
	}
}

// longestSilence returns the longest time between two reads since its last call.
func (p *replicaPair) longestSilence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	silence := p.silence
	p.silence = 0
	return silence
}

// stats returns /api/stats of a server.
func (tr *trial) stats(n *node) api.Stats {
	tr.t.Helper()
	var stats api.Stats
	_, _, body, err := tr.call(http.MethodGet, n.at("/api/stats"), "")
	if err := errors.Join(err, json.Unmarshal(body, &stats)); err != nil {
		tr.t.Fatal(err, tr.failure())
	}
	return stats
}
