package e2e

import (
	"context"
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

var orderCommits = flag.Int("order.commits", 300, "transactions of each case of TestExactlyOnceInOrder")

// TestExactlyOnceInOrder has twelve writers contend for sixteen rows, with savepoints, rollbacks, rows that
// are inserted and deleted, and transactions that stay open while hundreds of others commit. Subscribers of
// all kinds read at three servers: one has a very small feed, and one restarts repeatedly. The cases differ in
// who sends the wake-ups.
func TestExactlyOnceInOrder(t *testing.T) {
	t.Parallel()
	commits := *orderCommits
	parts := newParts(t)
	defer parts.wait()
	for name, c := range map[string]struct {
		table      judge.CounterTable
		led        bool // enough wake-ups that a leader is elected
		leaderless bool // no server can become leader; writers send wake-ups
	}{
		"a leader":   {table: judge.Counters(), led: true},
		"activities": {table: judge.ActivityCounters()}, // a leader or not, depending on the machine
		"no leader":  {table: judge.Counters(), leaderless: true},
	} {
		parts.run(name, func(t *testing.T) {
			tr := newTrial(t, pgtest.NewDatabase(t), c.table)
			if c.leaderless { // writers hold this lock in shared mode for an instant each
				pgtest.Exec(t, pgtest.Connect(t, tr.url), `select pg_advisory_lock_shared($1)`, int64(notify.LeaderLock))
			}
			full, small, restarting := tr.node(tr.url), tr.node(tr.url, smallFeed), tr.node(tr.url)
			startNodes(tr.ctx, t, full, small, restarting)
			start := tr.subscribeAllKinds(full, small, restarting)
			tr.write(12, false)
			if c.led {
				tr.sendWakeUps()
			}
			tr.restartOften(restarting, commits/8)
			tr.waitCommits(commits)
			if c.led {
				tr.await("a term", func() bool { return tr.terms(full, small) > 0 })
			}
			tr.stopWriting()
			late := tr.subscriber("resumes from the start after the last write", full, small)
			late.Cursor = start
			tr.subs = append(tr.subs, late)
			tr.reading.Go(func() { tr.fail(late.run(tr.ctx)) })
			tr.finish()
			terms := tr.terms(full, small, restarting)
			t.Logf("%d terms", terms)
			if c.led && terms == 0 || c.leaderless && terms > 0 {
				t.Errorf("the servers led for %d terms", terms)
			}
		})
	}
}

// terms returns the number of terms of these servers since they started.
func (tr *trial) terms(nodes ...*node) (n uint64) {
	tr.t.Helper()
	for _, node := range nodes {
		n += tr.stats(node).Listener.Leader.Terms
	}
	return n
}

// sendWakeUps sends as many wake-ups as many writers do, until the writers end, so that an idle leader is
// needed again at once.
func (tr *trial) sendWakeUps() {
	conn := tr.connectWriter()
	tr.writing.Go(func() {
		for tr.writersDone.Err() == nil {
			_, err := conn.Exec(tr.ctx, `select pg_notify('pgherald', 'x' || n) from generate_series(1, 60) as n`) // a server that stands still in between sees fewer at once
			tr.fail(err)
			pause(tr.writersDone, 20*time.Millisecond)
		}
	})
}

// subscribeAllKinds connects subscribers that read steadily, leave at random, filter, pause or read slowly.
// It returns a cursor from before the first write.
func (tr *trial) subscribeAllKinds(full, small, restarting *node) (start string) {
	tr.t.Helper()
	reconnecting := tr.subscriber("reconnecting at one server", full)
	reconnecting.leaveAtRandom(40_000)

	filtered := tr.subscriber("filtered, reconnecting at all servers", full, small, restarting)
	filtered.types = []string{tr.table.UpdateType}
	filtered.leaveAtRandom(30_000)

	roaming := tr.subscriber("reconnecting at all servers", full, small, restarting)
	roaming.leaveAtRandom(20_000)

	away := tr.subscriber("often away", full, small)
	away.leaveAtRandom(50_000)
	away.beforeReconnect = tr.forCommits(away, 150)

	slow := tr.subscriber("slow at a small feed", small)
	slow.betweenReads = func(ctx context.Context) {
		if slow.rng.IntN(10) == 0 {
			tr.forCommits(slow, 20)(ctx)
		}
	}
	tr.subscribe(tr.subscriber("steady", full), tr.subscriber("steady at a small feed", small),
		tr.subscriber("steady at a server that restarts", restarting), reconnecting, filtered, roaming, away, slow)
	return tr.startCursor(full)
}

// startCursor returns the cursor of a stream's sync event.
func (tr *trial) startCursor(n *node) string {
	tr.t.Helper()
	s := tr.subscriber("start", n)
	s.shouldLeave = func(progress) bool { return true }
	if _, err := s.connect(tr.ctx, 0); !errors.Is(err, errLeft) {
		tr.t.Fatal(err)
	}
	return s.Cursor
}

// forCommits returns a function that waits for up to limit commits, or until the writers end.
func (tr *trial) forCommits(s *subscriber, limit int) func(context.Context) {
	return func(context.Context) { _ = tr.commits.wait(tr.writersDone, 1+s.rng.IntN(limit)) }
}

// restartOften restarts a server after each number of commits, by turns with and without draining.
func (tr *trial) restartOften(n *node, commits int) {
	tr.others.Go(func() {
		for gently := false; ; gently = !gently {
			if tr.commits.wait(tr.writersDone, commits) != nil {
				return
			}
			tr.fail(n.restart(tr.ctx, gently))
		}
	})
}

// TestSubscriberAlternatesBetweenReplicas has a subscriber that reconnects to the other of two servers after
// each transaction.
func TestSubscriberAlternatesBetweenReplicas(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, pgtest.NewDatabase(t), judge.Counters())
	nodes := []*node{tr.node(tr.url), tr.node(tr.url)}
	startNodes(tr.ctx, t, nodes...)
	alternating := tr.subscriber("alternating")
	alternating.pick = func(connection int) *node { return nodes[connection%len(nodes)] }
	alternating.chunk = 64
	alternating.shouldLeave = func(p progress) bool { return p.transactions > 0 }
	tr.subscribe(tr.subscriber("at the first", nodes[0]), tr.subscriber("at the second", nodes[1]), alternating)
	tr.write(4, false)
	tr.waitCommits(400)
	tr.finish()
}
