package sse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// BenchmarkWrite writes one event to each of n clients, in one pass of a shard: the whole way from
// the log, in memory here, to the sockets. What it takes to read them is left out.
func BenchmarkWrite(b *testing.B) {
	for _, clients := range []int{1, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkWrite(b, clients) })
	}
}

type noMeter struct{}

func (noMeter) Sent(int64, uint64)         {}
func (noMeter) Written([]int64, time.Time) {}
func (noMeter) Reset(string)               {}

func benchmarkWrite(b *testing.B, clients int) {
	ctx, cancel := context.WithCancel(b.Context())
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	log := streamtest.NewLog("k3f9")
	feed := stream.NewFeed(log, stream.FeedOptions{})
	if err := feed.Fill(ctx); err != nil {
		b.Fatal(err)
	}
	wake := make(chan struct{}, 1)
	following.Go(func() { feed.Follow(ctx, wake, nil) })
	engine := &shards{server: &Server{opts: Options{Feed: feed, Heartbeat: time.Hour, Meter: noMeter{}}}}
	s := newShard(engine)
	defer s.sweeper.Stop()
	peers := addClients(b, s, clients)
	buf := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		changed := feed.Changed()
		tx := log.Begin()
		tx.Write("activity_updated", "0190a1b2")
		tx.Commit()
		wake <- struct{}{}
		<-changed
		s.pass()
		b.StopTimer()
		for _, fd := range peers {
			if n, err := unix.Read(fd, buf); n <= 0 {
				b.Fatalf("read %d: %v", n, err)
			}
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(clients), "ns/delivery")
}

// addClients gives the shard clients, and returns the other ends of their sockets.
func addClients(b *testing.B, s *shard, n int) []int {
	b.Helper()
	var peers []int
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := errors.Join(unix.Close(pair[0]), unix.Close(pair[1])); err != nil {
				b.Error(err)
			}
		})
		sub, _, err := s.server.opts.Feed.Subscribe(b.Context(), stream.Cursor{}, nil, stream.Filter{})
		if err != nil {
			b.Fatal(err)
		}
		s.add(&client{fd: int32(pair[0]), index: -1, sub: *sub, shard: s})
		peers = append(peers, pair[1])
	}
	return peers
}
