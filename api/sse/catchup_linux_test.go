package sse

import (
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// A client that is slow during a catch-up may have received a part of a frame when the server drains.
// It would take a last frame for the rest of that part, and its id for the end of a transaction.
func TestStreamThatDrainsWithinAFrameGetsNoLastFrame(t *testing.T) {
	f := newFanWithFeed(t, stream.FeedOptions{Bytes: 1})
	var end End
	c, peer := f.shard.addClient(t, nil, func(e End) { end = e })
	f.shrink(c)
	f.commit(slices.Repeat([]string{"large"}, 1000)...)
	f.shard.pass()
	if c.catchUp.Load() == nil {
		t.Fatal("the client does not catch up")
	}
	f.waitForBytes(peer)
	c.drainAt = f.shard.server.since(time.Now())
	f.shard.sweep(time.Now())
	<-f.shard.mail
	f.shard.readMail()

	var got streamtest.Client
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(peer, buf)
		if errors.Is(err, unix.EAGAIN) {
			f.socketChanged(c)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if _, err := got.Write(buf[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if end.Reason != CloseDraining {
		t.Errorf("close reason: got %q, want %q", end.Reason, CloseDraining)
	}
	if len(got.Transactions) > 0 || got.Cursor != "" {
		t.Errorf("got %d whole transactions and the cursor %q, want none", len(got.Transactions), got.Cursor)
	}
}

// waitForBytes waits until the peer can read.
func (f *fan) waitForBytes(peer int) {
	f.Helper()
	fds := []unix.PollFd{{Fd: int32(peer), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 60_000); err != nil || n != 1 {
		f.Fatalf("wait for bytes: %d, %v", n, err)
	}
}
