package sse

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
)

// commitLarge commits an event of 1 MB, and returns once the feed has it.
func (f *fan) commitLarge() {
	changed := f.feed.Changed()
	tx := f.log.Begin()
	tx.Append(stream.Event{Type: "large", Data: []byte(`"` + strings.Repeat("x", 1_000_000) + `"`)})
	tx.Commit()
	f.wake <- struct{}{}
	<-changed
}

// Clients are stuck in different large events, which the feed has evicted. The server closes the one that keeps the
// oldest in memory.
func TestClientThatHoldsTooMuchIsClosed(t *testing.T) {
	f := newFanWithFeed(t, stream.FeedOptions{Bytes: 1_500_000, CatchUpBytes: 6_500_000})
	ends := make([]CloseReason, 5)
	for i := range ends {
		c, peer := f.shard.addClient(t, nil, func(e End) { ends[i] = e.Reason })
		f.shrink(c)
		f.commitLarge()
		f.shard.pass()
		if c.unsent == nil || c.unsent.pin == nil {
			t.Fatal("the client is not stuck")
		}
		f.waitForBytes(peer)
		f.shard.readMail()
	}
	if ends[0] != CloseSlow || strings.Join([]string{string(ends[1]), string(ends[2]), string(ends[3]), string(ends[4])}, "") != "" {
		t.Errorf("got the ends %q, want that the first client is closed as slow", ends)
	}
	for i := len(f.shard.clients) - 1; i >= 0; i-- {
		f.shard.clients[i].close(CloseClientGone)
	}
	if n := f.feed.Stats().CatchUpBytes; n != 0 {
		t.Errorf("%d bytes are charged to clients that are gone", n)
	}
}

// A client must take minTaken bytes, not one, for its write timeout to begin again.
func TestWriteTimeoutOfAClientThatTakesLittle(t *testing.T) {
	f := newFan(t)
	var end End
	c, peer := f.shard.addClient(t, nil, func(e End) { end = e })
	f.shrink(c)
	f.commitLarge()
	f.shard.pass()
	f.waitForBytes(peer)
	began := c.stalledSince
	buf := make([]byte, 1000)
	for taken := c.bytes; c.bytes < taken+minTaken; {
		if c.stalledSince != began {
			t.Fatalf("the write timeout begins again after %d bytes", c.bytes-taken)
		}
		if _, err := unix.Read(peer, buf); err != nil {
			t.Fatal(err)
		}
		f.socketChanged(c)
	}
	if c.stalledSince == began {
		t.Error("the write timeout does not begin again")
	}
	c.stalledSince -= int64(f.shard.server.opts.WriteTimeout)
	for range 10 {
		_, _ = unix.Read(peer, buf)
	}
	f.shard.sweep(time.Now())
	if end.Reason != CloseSlow {
		t.Errorf("the client ended with %q", end.Reason)
	}
}
