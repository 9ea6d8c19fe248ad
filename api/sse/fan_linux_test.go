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

// fan is a shard over a feed of a log in memory. Its goroutine does not run: the test calls its
// methods.
type fan struct {
	testing.TB
	log   *streamtest.Log
	feed  *stream.Feed
	wake  chan struct{}
	shard *shard
}

type noMeter struct{}

func (noMeter) Sent(int64, uint64)                     {}
func (noMeter) Written([]stream.EventTimes, time.Time) {}
func (noMeter) Compressed(int64, int64)                {}
func (noMeter) Reset(stream.ResetReason)               {}

// ownerFunc is an Owner that calls itself.
type ownerFunc func(End)

func (f ownerFunc) Close(e End) { f(e) }

// testOptions returns options whose periods are longer than a test.
func testOptions(feed *stream.Feed) Options {
	return Options{
		Feed: feed, Heartbeat: time.Hour, WriteTimeout: time.Hour, Meter: noMeter{}, Now: time.Now, Retry: func() int { return 2713 },
		Schedule: pacing.NewSchedule(),
	}
}

func newFan(tb testing.TB) *fan { return newFanWithFeed(tb, stream.FeedOptions{}) }

func newFanWithFeed(tb testing.TB, feed stream.FeedOptions) *fan {
	tb.Helper()
	f := &fan{TB: tb, log: streamtest.NewLog("k3f9"), wake: make(chan struct{}, 1)}
	f.feed = stream.NewFeed(f.log, feed)
	if err := f.feed.Fill(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.shard = newTestShard(tb, &Server{opts: testOptions(f.feed), ctx: ctx, start: time.Now()})
	var following sync.WaitGroup
	following.Go(func() { f.feed.Run(ctx, f.wake) })
	tb.Cleanup(func() {
		cancel()
		following.Wait()
		f.shard.transport.running.Wait()
	})
	return f
}

// newTestShard returns a shard with a poller that does not run either.
func newTestShard(tb testing.TB, server *Server) *shard {
	tb.Helper()
	poller, err := newPoller()
	if err != nil {
		tb.Fatal(err)
	}
	s := newShard(&epollTransport{server: server, poller: poller, catchUpTurns: newCatchUpTurns(1)})
	tb.Cleanup(func() {
		s.sweeper.Stop()
		s.flusher.Stop()
		poller.close()
	})
	return s
}

// addClient gives the shard a client, and returns it and the other end of its socket.
func (s *shard) addClient(tb testing.TB, lease *Lease, owner func(End)) (c *client, peer int) {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	sub, _, err := s.server.opts.Feed.Subscribe(tb.Context(), stream.Cursor{}, stream.Filter{})
	if err != nil {
		tb.Fatal(err)
	}
	c = &client{fd: int32(pair[0]), index: -1, sub: *sub, shard: s, lease: lease, owner: ownerFunc(owner)}
	tb.Cleanup(func() {
		if c.index >= 0 { // the shard has not closed it
			_ = unix.Close(pair[0])
		}
		_ = unix.Close(pair[1])
	})
	s.server.streams.add()
	if err := s.transport.poller.add(c); err != nil {
		tb.Fatal(err)
	}
	s.add(c)
	return c, pair[1]
}

// add gives the shard n clients, and returns the other ends of their sockets.
func (f *fan) add(n int) (peers []int) {
	f.Helper()
	for range n {
		_, peer := f.shard.addClient(f, nil, func(End) {})
		peers = append(peers, peer)
	}
	return peers
}

// shrink makes the client's socket hold little.
func (f *fan) shrink(c *client) {
	f.Helper()
	if err := unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
		f.Fatal(err)
	}
}

// commit commits a transaction with one event of each type, and returns once the feed has it.
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

// socketChanged makes the shard handle a change of the client's socket.
func (f *fan) socketChanged(c *client) {
	f.shard.handle(message{client: c, kind: socketChanged}, f.feed.NewFanOutPass(pacing.MaxWrite))
}

// read returns the bytes that the peer can read now.
func (f *fan) read(peer int) string {
	f.Helper()
	var got []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(peer, buf)
		if errors.Is(err, unix.EAGAIN) {
			return string(got)
		}
		if err != nil || n == 0 {
			f.Fatalf("read from a client's socket: %d bytes, %v", n, err)
		}
		got = append(got, buf[:n]...)
	}
}
