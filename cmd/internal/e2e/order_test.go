package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

var orderCommits = flag.Int("order.commits", 300, "transactions of each run of TestExactlyOnceInOrder")

// TestExactlyOnceInOrder has a dozen writers fight for sixteen rows, with savepoints, rollbacks, rows
// that come and go, and transactions that stay open while hundreds of others commit. Subscribers
// of every temper read along at three servers, of which one has a feed that holds next to nothing
// and one restarts again and again. Each must end up with every committed event once, every row's
// counter without a gap, and every transaction in one piece. That is so while a waker rings for the
// writers, and while all of them ring for themselves.
func TestExactlyOnceInOrder(t *testing.T) {
	commits := *orderCommits
	for name, c := range map[string]struct {
		load        judge.Workload
		up, resting bool // what the wakers are made to be; otherwise it depends on how fast the machine is
	}{
		"spec": {load: judge.Counters(), up: true}, "activities": {load: judge.ActivityCounters()}, "no waker": {load: judge.Counters(), resting: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, pgtest.NewDatabase(t), c.load)
			if c.resting { // as the writers do for an instant each: no waker gets the lock
				pgtest.Exec(t, pgtest.Connect(t, tr.url), `select pg_advisory_lock_shared($1)`, int64(notify.LeaderLock))
			}
			a, small, mortal := tr.node(tr.url), tr.node(tr.url, smallFeed), tr.node(tr.url)
			startNodes(tr.ctx, t, a, small, mortal)
			began := tr.crowd(a, small, mortal)
			tr.write(12, false)
			if c.up {
				tr.ringOften()
			}
			tr.restartOften(mortal, commits/8)
			tr.waitCommits(commits)
			if c.up {
				tr.await("a term", func() bool { return tr.reigns(a, small) > 0 })
			}
			tr.stopWriting()
			late := tr.subscriber("one who comes when all is over", a, small)
			late.Cursor = began
			tr.subs = append(tr.subs, late)
			tr.reading.Go(func() { tr.fail(late.run(tr.ctx)) })
			tr.finish()
			reigns := tr.reigns(a, small, mortal)
			t.Logf("wakers were up %d times", reigns)
			if c.up && reigns == 0 || c.resting && reigns > 0 {
				t.Errorf("wakers were up %d times", reigns)
			}
		})
	}
}

// ringOften rings as many writers do, until the writers end: a waker that rests is wanted again at once.
func (tr *trial) ringOften() {
	conn := pgtest.Connect(tr.t, tr.url)
	tr.writing.Go(func() {
		for tr.quitted.Err() == nil {
			_, err := conn.Exec(tr.ctx, `select pg_notify('pgherald', 'x' || n) from generate_series(1, 20) as n`)
			tr.fail(err)
			pause(tr.quitted, 20*time.Millisecond)
		}
	})
}

// reigns is how often the wakers of the servers were up since those were started.
func (tr *trial) reigns(nodes ...*node) (n uint64) {
	tr.t.Helper()
	for _, node := range nodes {
		var stats api.Stats
		_, _, body, err := tr.call(http.MethodGet, node.at("/api/stats"), "")
		if err := errors.Join(err, json.Unmarshal(body, &stats)); err != nil {
			tr.t.Fatal(err)
		}
		n += stats.Listener.Leader.Terms
	}
	return n
}

// crowd connects subscribers of every temper, and returns the cursor that one of them began with.
func (tr *trial) crowd(a, small, mortal *node) string {
	tr.t.Helper()
	flaky := tr.subscriber("flaky at one server", a)
	flaky.atRandom(40_000)

	picky := tr.subscriber("flaky and picky everywhere", a, small, mortal)
	picky.types = []string{tr.load.UpdateType}
	picky.atRandom(30_000)

	wild := tr.subscriber("flaky everywhere", a, small, mortal)
	wild.atRandom(20_000)

	away := tr.subscriber("often away", a, small)
	away.atRandom(50_000)
	away.wait = tr.forCommits(away, 150)

	slow := tr.subscriber("slow at a small feed", small)
	slow.slow = func(ctx context.Context) {
		if slow.rng.IntN(10) == 0 {
			tr.forCommits(slow, 20)(ctx)
		}
	}
	first := tr.subscriber("first", a)
	first.leave = func(session) bool { return true } // with the cursor of its beginning
	tr.beginAndLeave(first)
	tr.subscribe(tr.subscriber("steady", a), tr.subscriber("steady at a small feed", small),
		tr.subscriber("steady at a server that restarts", mortal), flaky, picky, wild, away, slow)
	return first.Cursor
}

// beginAndLeave gives a subscriber a cursor, and nothing else.
func (tr *trial) beginAndLeave(s *subscriber) {
	tr.t.Helper()
	if _, err := s.connect(tr.ctx, 0); err != errLeft {
		tr.t.Fatal(err)
	}
	s.Disconnect()
}

// forCommits waits until some transactions more have been committed, or none will be.
func (tr *trial) forCommits(s *subscriber, limit int) func(context.Context) {
	return func(context.Context) { _ = tr.commits.wait(tr.quitted, 1+s.rng.IntN(limit)) }
}

// restartOften restarts a server each time that so many transactions have been committed.
func (tr *trial) restartOften(n *node, commits int) {
	tr.others.Go(func() {
		for gently := false; ; gently = !gently {
			if tr.commits.wait(tr.quitted, commits) != nil {
				return
			}
			tr.fail(n.restart(tr.ctx, gently))
		}
	})
}

// TestReplicas has a subscriber who goes to the other of two servers after each transaction.
func TestReplicas(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.Counters())
	nodes := []*node{tr.node(tr.url), tr.node(tr.url)}
	startNodes(tr.ctx, t, nodes...)
	restless := tr.subscriber("to and fro")
	restless.pick = inTurn(nodes)
	restless.chunk = 64
	restless.leave = func(in session) bool { return in.transactions > 0 }
	tr.subscribe(tr.subscriber("at the first", nodes[0]), tr.subscriber("at the second", nodes[1]), restless)
	tr.write(4, false)
	tr.waitCommits(400)
	tr.finish()
}
