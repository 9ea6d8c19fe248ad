package sse

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// The first and the last of many clients are served by the same pass, and have the same after it: also
// if the feed grows while the pass is under way. What came meanwhile is the next pass's, for everybody.
func TestOnePassServesFirstAndLastAlike(t *testing.T) {
	const many = 2000
	f := newFan(t)
	peers := f.add(many)
	hungUp := f.add(1)[0]
	peers = append(peers, f.add(many)...)
	f.shard.clients[many].ended = func(End) { f.commit("meanwhile") }
	if err := unix.Shutdown(hungUp, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"first", "meanwhile", "last"} {
		if n != 1 {
			f.commit(want)
		}
		f.shard.pass()
		all := f.read(peers[0])
		if strings.Count(all, "data: ") != 1 || !strings.Contains(all, `"type":"`+want+`"`) {
			t.Fatalf("pass %d: the first client was sent\n%s", n, all)
		}
		for i, peer := range peers {
			if got := f.read(peer); i > 0 && got != all {
				t.Fatalf("pass %d: client %d was sent\n%s\nand the first one\n%s", n, i, got, all)
			}
		}
	}
	if len(f.shard.clients) != len(peers) {
		t.Errorf("%d clients are there, and should be %d", len(f.shard.clients), len(peers))
	}
}

// A client whose socket is full keeps the rest of one frame, however much it is due and however long
// that lasts. Passes neither try it again nor allocate for it, and serve the others as before. It has
// lost nothing when it reads on.
func TestStalledClientKeepsOneFrame(t *testing.T) {
	const burst = 1000
	f := newFan(t)
	peers := f.add(3)
	stalled := f.shard.clients[1]
	if err := unix.SetsockoptInt(int(stalled.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
		t.Fatal(err)
	}
	alone := testing.AllocsPerRun(100, func() { f.shard.pass() })
	f.commit(slices.Repeat([]string{"large"}, burst)...)
	f.shard.pass()
	sent, rest := stalled.bytes, stalled.rest
	frame := f.longest(peers[0], burst)
	if stalled.stalled == 0 || len(rest) == 0 || cap(rest) > frame {
		t.Fatalf("the client keeps %d bytes in room for %d, of frames of up to %d (stalled since %d)", len(rest), cap(rest), frame, stalled.stalled)
	}
	f.read(peers[2])
	for n := range 50 {
		f.commit("small")
		f.shard.pass()
		for _, peer := range []int{peers[0], peers[2]} {
			if got := f.read(peer); strings.Count(got, "data: ") != 1 {
				t.Fatalf("pass %d: a client that reads was sent\n%s", n, got)
			}
		}
	}
	if stalled.bytes != sent || len(stalled.rest) != len(rest) || cap(stalled.rest) != cap(rest) || stalled.sub.Sent() >= burst {
		t.Errorf("after 50 passes the client that does not read was sent %d bytes more, and keeps %d", stalled.bytes-sent, cap(stalled.rest))
	}
	if beside := testing.AllocsPerRun(100, func() { f.shard.pass() }); beside > alone {
		t.Errorf("a pass allocates %v times, and %v times with a client that does not read", alone, beside)
	}
	f.readsOn(stalled, peers[1], burst+50)
}

// longest is the size of the longest frame that a client is sent for n events.
func (f *fan) longest(peer, n int) (longest int) {
	f.Helper()
	frames := strings.SplitAfter(f.read(peer), "\n\n")
	if len(frames) != n+1 { // with what is behind the last one
		f.Fatalf("%d frames came for %d events", len(frames)-1, n)
	}
	for _, frame := range frames {
		longest = max(longest, len(frame))
	}
	return longest
}

// readsOn has a client read until it has this many events, each once and in order.
func (f *fan) readsOn(c *client, peer, events int) {
	f.Helper()
	var got streamtest.Client
	for len(got.Events()) < events {
		text := f.read(peer)
		if text == "" {
			f.Fatalf("nothing came after %d events", len(got.Events()))
		}
		if _, err := got.Write([]byte(text)); err != nil {
			f.Fatal(err)
		}
		f.shard.read(message{client: c, kind: changed}, f.feed.NewFanOutPass(pacing.MaxWrite))
	}
	for i, e := range got.Events() {
		if e.ID != int64(i+1) {
			f.Fatalf("event %d came as number %d", e.ID, i+1)
		}
	}
	if c.rest != nil || c.stalled != 0 {
		f.Error(fmt.Sprintf("the client has read all, and keeps %d bytes", len(c.rest)))
	}
}
