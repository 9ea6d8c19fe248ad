package main

import (
	"context"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestExactlyOnceInOrder has a dozen writers fight for sixteen rows, with savepoints, rollbacks, rows
// that come and go, and transactions that stay open while hundreds of others commit. Subscribers
// of every temper read along at three servers, of which one has a feed that holds next to nothing
// and one restarts again and again. Each must end up with every committed event once, every row's
// counter without a gap, and every transaction in one piece.
func TestExactlyOnceInOrder(t *testing.T) {
	commits := 800
	if testing.Short() {
		commits = 300
	}
	for name, load := range map[string]workload{"spec": counters(), "activities": activityCounters()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, pgtest.NewDatabase(t), load)
			a, small, mortal := tr.node(tr.url), tr.node(tr.url, "--feed-bytes=24KiB"), tr.node(tr.url)
			startNodes(tr.ctx, t, a, small, mortal)
			began := tr.crowd(a, small, mortal)
			tr.write(12, false)
			tr.restartOften(mortal, commits/8)
			tr.waitCommits(commits)
			tr.stopWriting()
			late := tr.subscriber("one who comes when all is over", a, small)
			late.Cursor = began
			tr.subs = append(tr.subs, late)
			tr.reading.Go(func() { tr.fail(late.run(tr.ctx)) })
			tr.finish()
		})
	}
}

// crowd connects subscribers of every temper, and returns the cursor that one of them began with.
func (tr *trial) crowd(a, small, mortal *node) string {
	tr.t.Helper()
	flaky := tr.subscriber("flaky at one server", a)
	flaky.atRandom(40_000)

	picky := tr.subscriber("flaky and picky everywhere", a, small, mortal)
	picky.types = []string{tr.load.updated}
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
	tr := newTrial(t, pgtest.NewDatabase(t), counters())
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
