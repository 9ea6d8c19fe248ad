package sse

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// fan is a shard that makes a pass when it is told to, over a feed of a log in memory.
type fan struct {
	testing.TB
	log   *streamtest.Log
	feed  *stream.Feed
	wake  chan struct{}
	shard *shard
}

type noMeter struct{}

func (noMeter) Sent(int64, uint64)         {}
func (noMeter) Written([]int64, time.Time) {}
func (noMeter) Reset(stream.ResetReason)   {}

func newFan(tb testing.TB) *fan { return fanOf(tb, stream.FeedOptions{}) }

func fanOf(tb testing.TB, feed stream.FeedOptions) *fan {
	tb.Helper()
	f := &fan{TB: tb, log: streamtest.NewLog("k3f9"), wake: make(chan struct{}, 1)}
	f.feed = stream.NewFeed(f.log, feed)
	if err := f.feed.Fill(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	poller, err := newPoller() // nobody waits in it
	if err != nil {
		tb.Fatal(err)
	}
	opts := Options{
		Feed: f.feed, Heartbeat: time.Hour, WriteTimeout: time.Hour, Meter: noMeter{}, Now: time.Now, Retry: func() int { return 2713 },
		Schedule: pacing.NewSchedule(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.shard = newShard(&shards{server: &Server{opts: opts, ctx: ctx, start: time.Now()}, poller: poller})
	var following sync.WaitGroup
	following.Go(func() { f.feed.Run(ctx, f.wake) })
	tb.Cleanup(func() {
		cancel()
		following.Wait()
		f.shard.engine.running.Wait()
		f.shard.sweeper.Stop()
		f.shard.flusher.Stop()
		poller.close()
	})
	return f
}

// add gives the shard clients, and returns the other ends of their sockets.
func (f *fan) add(n int) (peers []int) {
	f.Helper()
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			f.Fatal(err)
		}
		sub, _, err := f.feed.Subscribe(f.Context(), stream.Cursor{}, stream.Filter{})
		if err != nil {
			f.Fatal(err)
		}
		c := &client{fd: int32(pair[0]), index: -1, sub: *sub, shard: f.shard, ended: func(End) {}}
		f.Cleanup(func() {
			if c.index >= 0 { // else the shard has closed it
				_ = unix.Close(pair[0])
			}
			_ = unix.Close(pair[1])
		})
		f.shard.server.open.enter()
		if err := f.shard.engine.poller.add(c); err != nil {
			f.Fatal(err)
		}
		f.shard.add(c)
		peers = append(peers, pair[1])
	}
	return peers
}

// commit commits a transaction with one event of each type, and returns when the feed has it.
func (f *fan) commit(types ...string) {
	changed := f.feed.Changed()
	tx := f.log.Begin()
	for _, kind := range types {
		tx.Write(kind, "0190a1b2")
	}
	tx.Commit()
	f.wake <- struct{}{}
	<-changed
}

// read returns what the peer has been sent by now.
func (f *fan) read(peer int) string {
	f.Helper()
	var got []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(peer, buf)
		if errors.Is(err, unix.EAGAIN) {
			return string(got)
		}
		if err != nil || n == 0 {
			f.Fatalf("read %d bytes: %v", n, err)
		}
		got = append(got, buf[:n]...)
	}
}
