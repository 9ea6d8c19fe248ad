package sse

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// A stream on a bare socket outlives the end that it began with once its lease is renewed, and ends
// with the last one. What time it is, the test says.
func TestLeaseOfAShardsClient(t *testing.T) {
	feed := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{})
	if err := feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	opts := Options{Feed: feed, Heartbeat: 24 * time.Hour, WriteTimeout: time.Hour, Now: time.Now, Meter: noMeter{}, Schedule: pacing.NewSchedule()}
	s := newShard(&shards{server: &Server{opts: opts, start: time.Now()}, poller: p})
	t.Cleanup(s.sweeper.Stop)
	began, reason := time.Now(), CloseReason("")
	lease := NewLease(began.Add(time.Minute))
	peer := addLeased(t, s, lease, func(e End) { reason = e.Reason })

	s.sweep(began.Add(59 * time.Second))
	lease.Renew(began.Add(time.Hour))
	s.sweep(began.Add(61 * time.Second))
	s.sweep(began.Add(59 * time.Minute))
	if reason != "" {
		t.Fatalf("the stream ended early: %s", reason)
	}
	s.sweep(began.Add(time.Hour))
	buf := make([]byte, 1000)
	n, err := unix.Read(peer, buf)
	if got := string(buf[:max(n, 0)]); reason != "expired" || !strings.Contains(got, `{"mode":"expired"}`) {
		t.Errorf("the stream ended with %q: %q, %v", reason, got, err)
	}
}

// addLeased gives the shard a client, which closes its socket when it ends, and returns the other end.
func addLeased(t *testing.T, s *shard, lease *Lease, ended func(End)) int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	sub, _, err := s.server.opts.Feed.Subscribe(t.Context(), stream.Cursor{}, stream.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{fd: int32(pair[0]), index: -1, sub: *sub, shard: s, lease: lease, ended: ended}
	if err := s.engine.poller.add(c); err != nil {
		t.Fatal(err)
	}
	s.server.open.enter()
	s.add(c)
	return pair[1]
}
