package sse

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// setStale makes the server stale since a moment, and makes the shard handle it.
func (f *fan) setStale(since time.Time, limit time.Duration) {
	s := f.shard.server
	s.reads.set(&staleness{since: since, readAt: s.since(since), limit: limit})
	f.shard.handle(message{kind: readsChanged}, f.feed.NewFanOutPass(pacing.MaxWrite))
}

func (f *fan) setRead() {
	f.shard.server.reads.set(nil)
	f.shard.handle(message{kind: readsChanged}, f.feed.NewFanOutPass(pacing.MaxWrite))
}

// newStaleFan returns a fan with a heartbeat of 30 s.
func newStaleFan(t *testing.T) *fan {
	f := newFan(t)
	f.shard.server.opts.Heartbeat = 30 * time.Second
	f.shard.server.reads.init()
	return f
}

func TestShardSaysStale(t *testing.T) {
	f := newStaleFan(t)
	peers := f.add(3)
	began := time.Now()
	f.setStale(began, 0)
	f.shard.sweep(began.Add(time.Second)) // says it once
	for _, peer := range peers {
		if got := f.read(peer); strings.Count(got, `{"mode":"stale"`) != 1 || !strings.HasPrefix(got, "id: k3f9-") {
			t.Errorf("at first: %q", got)
		}
	}
	for at := time.Second; at < 30*time.Second; at += time.Second {
		f.shard.sweep(began.Add(at))
	}
	for _, peer := range peers {
		if got := f.read(peer); strings.Count(got, `{"mode":"stale"`) != 4 || strings.Contains(got, `"type":"heartbeat"`) {
			t.Errorf("within 30 s: %q", got)
		}
	}
	f.setRead()
	f.shard.sweep(time.Now())
	for _, peer := range peers {
		if got := f.read(peer); strings.Count(got, `{"mode":"live"}`) != 1 || strings.Contains(got, "stale") {
			t.Errorf("after the outage: %q", got)
		}
	}
	for _, c := range f.shard.clients {
		if c.outage != nil {
			t.Error("a client keeps its outage")
		}
	}
}

// Streams end spread over some seconds once they are stale for too long. One that began while the server was stale lasts
// for the limit, too.
func TestShardEndsStaleStreams(t *testing.T) {
	f := newStaleFan(t)
	const limit, clients = 30 * time.Second, 100
	var ends []error
	began := time.Now()
	for range clients {
		c, _ := f.shard.addClient(f, nil, func(e End) { ends = append(ends, reasonError(e)) })
		c.began = f.shard.server.since(began)
	}
	f.setStale(began, limit)
	late, peer := f.shard.addClient(f, nil, func(End) { t.Error("the late stream ended") })
	late.began = f.shard.server.since(began.Add(20 * time.Second))
	var counts []int
	for at := limit - time.Second; at < limit+pacing.StaleSpread+3*time.Second; at += time.Second {
		f.shard.sweep(began.Add(at))
		counts = append(counts, len(ends))
	}
	if counts[0] != 0 || counts[1] > clients/10 || counts[3] < clients/10 || counts[3] > clients*9/10 || counts[len(counts)-1] != clients {
		t.Errorf("ended by each second from %v on: %v", limit-time.Second, counts)
	}
	if slices.ContainsFunc(ends, func(err error) bool { return !errors.Is(err, CloseStale) }) {
		t.Errorf("ended with %v", ends)
	}
	if got := f.read(peer); strings.Contains(got, "retry:") {
		t.Errorf("the late stream received %q", got)
	}
}

// A catch-up that cannot read the log gives its client back, which learns that it is stale. It continues when the log
// is read again.
func TestShardContinuesACatchUp(t *testing.T) {
	for name, isKnown := range map[string]bool{"before the server is stale": false, "while it is": true} {
		t.Run(name, func(t *testing.T) {
			f := newFanWithFeed(t, stream.FeedOptions{Bytes: 1})
			f.shard.server.reads.init()
			c, peer := f.shard.addClient(f, nil, func(e End) { t.Errorf("the stream ended: %+v", e) })
			f.commit("a")
			f.commit("b")
			f.log.Break(errDown)
			if isKnown {
				f.setStale(time.Now(), 0)
			}
			f.shard.pass() // the first event was evicted
			for c.catchUp.Load() != nil {
				<-f.shard.mail
				f.shard.readMail()
			}
			if c.outage == nil || c.outage.retryAt == 0 {
				t.Fatal("the catch-up does not wait")
			}
			f.setStale(time.Now(), 0)
			if got := f.read(peer); !strings.Contains(got, `"stale"`) {
				t.Errorf("during the outage: %q", got)
			}
			f.log.Break(nil)
			f.setRead()
			f.shard.sweep(time.Now().Add(2 * retryCatchUp))
			for c.catchUp.Load() != nil {
				<-f.shard.mail
				f.shard.readMail()
			}
			got := f.read(peer)
			if !strings.Contains(got, `"live"`) || strings.Count(got, `"a"`) != 1 || strings.Count(got, `"b"`) != 1 {
				t.Errorf("after the outage: %q", got)
			}
		})
	}
}
