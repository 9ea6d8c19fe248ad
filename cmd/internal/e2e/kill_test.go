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

// TestReplicasThatAreKilledAndFrozen runs two replicas of the real program under writers that keep a
// waker up, and strikes the one whose waker that is: kills it, or stops it until the other has taken
// over. Clients of a dead replica go to the other one; clients of a frozen one wait. Everybody has every
// event once, in order. How long the longest silence was is logged.
func TestReplicasThatAreKilledAndFrozen(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.Counters())
	d := newDuo(tr)
	for _, name := range []string{"first", "second", "third", "fourth"} {
		s := tr.subscriber(name, d.nodes()...)
		s.slow = d.listen()
		tr.subscribe(s)
	}
	picky := tr.subscriber("picky", d.nodes()...)
	picky.types = []string{tr.load.UpdateType}
	flaky := tr.subscriber("flaky", d.nodes()...)
	flaky.atRandom(60_000)
	tr.subscribe(picky, flaky)
	tr.write(5, false)
	tr.ringOften() // a slow machine's writers alone may notify too seldom for a leader
	for n, strike := range []func(hit, other *twin){d.kill, d.freeze, d.kill, d.kill, d.freeze, d.kill} {
		tr.waitCommits(100)
		hit, other := d.awaitWaker()
		strike(hit, other)
		tr.waitCommits(100)
		t.Logf("strike %d: nobody heard anything for %v at the most", n, d.silence().Round(time.Millisecond))
	}
	tr.finish()
}

// duo is two replicas of the real program on one database.
type duo struct {
	*trial
	binary string
	args   []string
	twins  [2]*twin

	mu      sync.Mutex
	longest time.Duration // that a client heard nothing, since it was last asked
}

// twin is one of them. Its node is where clients find it, and nothing else of a node.
type twin struct {
	program *program
	node    *node
}

func newDuo(tr *trial) *duo {
	tr.t.Helper()
	spec := filepath.Join(tr.t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(tr.load.Spec), 0o600); err != nil {
		tr.t.Fatal(err)
	}
	d := &duo{trial: tr, binary: buildProgram(tr.t), args: []string{"--spec=" + spec}}
	for i := range d.twins {
		d.twins[i] = &twin{node: &node{}}
		d.start(d.twins[i])
	}
	return d
}

func (d *duo) nodes() []*node { return []*node{d.twins[0].node, d.twins[1].node} }

// start starts a replica, at a new address.
func (d *duo) start(tw *twin) {
	d.t.Helper()
	var at string
	tw.program, at = serveProgram(d.t, d.binary, d.url, d.args...)
	tw.node.mu.Lock()
	defer tw.node.mu.Unlock()
	tw.node.url = at
}

// awaitWaker waits until one of them rings for the writers, and returns it first.
func (d *duo) awaitWaker() (waker, other *twin) {
	d.t.Helper()
	waker, other = d.twins[0], d.twins[1]
	d.await("a leader", func() bool {
		if !d.rings(waker) {
			waker, other = other, waker
			return d.rings(waker)
		}
		return true
	})
	return waker, other
}

func (d *duo) rings(tw *twin) bool {
	d.t.Helper()
	var stats api.Stats
	_, _, body, err := d.call(http.MethodGet, tw.node.at("/api/stats"), "")
	if err := errors.Join(err, json.Unmarshal(body, &stats)); err != nil {
		d.t.Fatal(err, d.failure())
	}
	return stats.Listener.Leader.State == status.Leading
}

// kill ends a replica as the kernel does that has no memory left, and starts another in its place when
// many have written without it.
func (d *duo) kill(hit, _ *twin) {
	d.t.Helper()
	hit.program.signal(d.t, syscall.SIGKILL)
	<-hit.program.ended
	d.waitCommits(200)
	d.start(hit)
}

// freeze stops a replica until PostgreSQL has ended its waker's session and the other one's is up, which
// is longer than it takes to fall back.
func (d *duo) freeze(hit, other *twin) {
	d.t.Helper()
	hit.program.signal(d.t, syscall.SIGSTOP)
	d.await("the other server to lead", func() bool { return d.rings(other) })
	hit.program.signal(d.t, syscall.SIGCONT)
}

// listen returns what notes how long a client hears nothing.
func (d *duo) listen() func(context.Context) {
	last := time.Now()
	return func(context.Context) {
		now := time.Now()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.longest, last = max(d.longest, now.Sub(last)), now
	}
}

func (d *duo) silence() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	longest := d.longest
	d.longest = 0
	return longest
}
