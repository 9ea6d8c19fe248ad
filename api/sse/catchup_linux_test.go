package sse

import (
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// A client that reads the log and is slow may have half of a frame when its stream must end. What comes
// then must not be taken for the other half, nor its id for the end of what came.
func TestStreamThatEndsWithinAFrame(t *testing.T) {
	f := fanOf(t, stream.FeedOptions{Bytes: 1})
	peer := f.add(1)[0]
	c := f.shard.clients[0]
	if err := unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
		t.Fatal(err)
	}
	var end End
	c.ended = func(e End) { end = e }
	f.commit(slices.Repeat([]string{"large"}, 1000)...)
	f.shard.pass()
	if c.away.Load() == nil {
		t.Fatal("the client does not read the log")
	}
	f.arrives(peer)
	c.leavesAt = f.shard.server.since(time.Now())
	f.shard.sweep(time.Now())
	<-f.shard.mail
	f.shard.readMail()

	var got streamtest.Client
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(peer, buf)
		if errors.Is(err, unix.EAGAIN) {
			f.shard.read(message{client: c, kind: changed}, f.feed.NewFanOutPass(pacing.MaxWrite))
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
	if end.Reason != "draining" {
		t.Errorf("the stream ended with %q", end.Reason)
	}
	if len(got.Transactions) > 0 || got.Cursor != "" {
		t.Errorf("%d transactions came, and the cursor %q", len(got.Transactions), got.Cursor)
	}
}

// arrives waits until the peer has been sent something.
func (f *fan) arrives(peer int) {
	f.Helper()
	fds := []unix.PollFd{{Fd: int32(peer), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 60_000); err != nil || n != 1 {
		f.Fatalf("wait for bytes: %d, %v", n, err)
	}
}
