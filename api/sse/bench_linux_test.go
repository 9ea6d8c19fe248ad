package sse

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkWrite commits an event and makes a fan-out pass of one shard: from a log in memory to the
// sockets of n clients. It leaves out what it takes to read from them.
func BenchmarkWrite(b *testing.B) {
	for _, clients := range []int{1, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkWrite(b, clients) })
	}
}

func benchmarkWrite(b *testing.B, clients int) {
	f := newFan(b)
	peers := f.add(clients)
	buf := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		f.commit("activity_updated")
		f.shard.pass()
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
