package sse

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// A pass writes the same to its first and to its last client, even if the feed grows while the pass is
// under way: those events belong to the next pass, for every client.
func TestPassWritesTheSameToEveryClient(t *testing.T) {
	const half = 2000
	f := newFan(t)
	peers := f.add(half)
	_, lost := f.shard.addClient(t, nil, func(End) { f.commit("meanwhile") })
	peers = append(peers, f.add(half)...)
	if err := unix.Shutdown(lost, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"first", "meanwhile", "last"} {
		if n != 1 {
			f.commit(want)
		}
		f.shard.pass()
		all := f.read(peers[0])
		if strings.Count(all, "data: ") != 1 || !strings.Contains(all, `"type":"`+want+`"`) {
			t.Fatalf("pass %d: the first client got\n%s\nwant one event of type %s", n, all, want)
		}
		for i, peer := range peers {
			if got := f.read(peer); i > 0 && got != all {
				t.Fatalf("pass %d: client %d got\n%s\nand the first one\n%s", n, i, got, all)
			}
		}
	}
	if len(f.shard.clients) != len(peers) {
		t.Errorf("got %d clients, want %d", len(f.shard.clients), len(peers))
	}
}

// A stalled client keeps the rest of one frame, however many events are pending and however long it
// stalls. Passes neither write to it nor allocate for it, and serve the other clients. When it reads
// on, it has lost nothing.
func TestStalledClientKeepsOneFrame(t *testing.T) {
	const burst = 1000
	f := newFan(t)
	peers := f.add(3)
	stalled := f.shard.clients[1]
	f.shrink(stalled)
	before := testing.AllocsPerRun(100, func() { f.shard.pass() })
	f.commit(slices.Repeat([]string{"large"}, burst)...)
	f.shard.pass()
	sent, unsent := stalled.bytes, slices.Concat(stalled.unsent.bufs...)
	frame := f.longestFrame(peers[0], burst)
	if stalled.stalledSince == 0 || len(unsent) == 0 || kept(stalled) > frame {
		t.Fatalf("the client keeps %d bytes in a buffer of %d (stalled since %d), want a part of a frame of up to %d",
			len(unsent), kept(stalled), stalled.stalledSince, frame)
	}
	f.read(peers[2])
	for n := range 50 {
		f.commit("small")
		f.shard.pass()
		for _, peer := range []int{peers[0], peers[2]} {
			if got := f.read(peer); strings.Count(got, "data: ") != 1 {
				t.Fatalf("pass %d: a client that reads got\n%s\nwant one event", n, got)
			}
		}
	}
	if stalled.bytes != sent || !slices.Equal(slices.Concat(stalled.unsent.bufs...), unsent) || kept(stalled) > frame || stalled.sub.Sent() >= burst {
		t.Errorf("50 passes wrote %d bytes to the stalled client, which keeps %d", stalled.bytes-sent, kept(stalled))
	}
	if after := testing.AllocsPerRun(100, func() { f.shard.pass() }); after > before {
		t.Errorf("allocations of a pass: got %v with a stalled client, want %v as without", after, before)
	}
	f.readsOn(stalled, peers[1], burst+50)
}

// longestFrame returns the size of the longest of n frames that the peer can read.
func (f *fan) longestFrame(peer, n int) (longest int) {
	f.Helper()
	frames := strings.SplitAfter(f.read(peer), "\n\n")
	if len(frames) != n+1 { // the last one is empty
		f.Fatalf("got %d frames for %d events", len(frames)-1, n)
	}
	for _, frame := range frames {
		longest = max(longest, len(frame))
	}
	return longest
}

// readsOn reads at the peer until it has so many events, and checks that it has each once and in
// order.
func (f *fan) readsOn(c *client, peer, events int) {
	f.Helper()
	var got streamtest.Client
	for len(got.Events()) < events {
		text := f.read(peer)
		if text == "" {
			f.Fatalf("got no bytes after %d of %d events", len(got.Events()), events)
		}
		if _, err := got.Write([]byte(text)); err != nil {
			f.Fatal(err)
		}
		f.socketChanged(c)
	}
	for i, e := range got.Events() {
		if e.ID != int64(i+1) {
			f.Fatalf("event %d came as number %d", e.ID, i+1)
		}
	}
	if c.unsent != nil || c.stalledSince != 0 {
		f.Errorf("the client has read everything and keeps %d bytes", kept(c))
	}
}

// kept returns the size of the buffers that the client keeps.
func kept(c *client) (n int) {
	if c.unsent != nil {
		for _, b := range c.unsent.bufs {
			n += cap(b)
		}
	}
	return n
}
