package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// receiveInPass receives the pending events as a shard's client does: it calls Pending again only if the
// previous call reported that more may be pending.
func (c *testClient) receiveInPass(f *stream.Feed) {
	c.t.Helper()
	p := f.NewFanOutPass(1 << 18)
	for more := true; more; {
		var data []byte
		var err error
		data, more, err = p.Pending(c.sub)
		c.write([][]byte{data})
		if errors.Is(err, stream.ErrBehind) {
			more, err = true, c.sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: func(bufs [][]byte) error { c.write(bufs); return nil }})
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// An entry that only the log holds follows one in memory, and no further change wakes the shard: Pending
// must report that more is pending.
func TestPassContinuesToATransactionInTheLog(t *testing.T) {
	for name, resumes := range map[string]bool{"live": false, "resumed from a server that was ahead": true} {
		t.Run(name, func(t *testing.T) {
			log := streamtest.NewLog("e1")
			feed := newFeed(t, log, stream.FeedOptions{Bytes: 3000})
			c := (&testClient{t: t}).connect(feed, "")
			var want []int
			if resumes {
				ahead := newFeed(t, log, stream.FeedOptions{})
				long := log.Begin()
				write(log, 1)
				readOnce(t, feed)
				long.Write("a", "k")
				long.Commit()
				readOnce(t, ahead)
				c.connect(ahead, c.Cursor).receiveAll()
				c.connect(feed, c.Cursor)
				want = []int{1, 1}
			}
			write(log, 1)
			write(log, 500)
			readOnce(t, feed)
			c.receiveInPass(feed)
			if diff := cmp.Diff(append(want, 1, 500), sizes(&c.Client)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A socket takes half of each write. The rest is pending again, and counts when it is sent.
func TestPassCountsSentEventsOnce(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	c := (&testClient{t: t}).connect(feed, "")
	write(log, 100)
	readOnce(t, feed)
	var sent uint64
	for len(c.Transactions) == 0 {
		p := feed.NewFanOutPass(1 << 18)
		before := *c.sub
		data, _, err := p.Pending(c.sub)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(data) / 2; n > 1000 {
			c.write(append([][]byte{data[:n]}, p.Rewind(c.sub, &before, data, n)...))
		} else {
			c.write([][]byte{data})
		}
		sent += p.SentEvents()
	}
	if sent != 100 || c.sub.Sent() != 100 {
		t.Errorf("passes counted %d events and the subscription %d, want 100", sent, c.sub.Sent())
	}
}

// A large frame for which sockets have no room stays in memory once, not once for each client, although each client
// is at another byte of it and is served in another pass.
func TestClientsShareTheRestOfALargeFrame(t *testing.T) {
	for name, filter := range map[string]stream.Filter{
		"plain":                   {},
		"batched":                 stream.Filter{}.Batched(time.Second),
		"conflated":               stream.Filter{}.Conflated(),
		"conflated, then batched": stream.Filter{}.Conflated().Batched(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			log := streamtest.NewLog("e1")
			feed := newFeed(t, log, stream.FeedOptions{})
			one, two := (&testClient{t: t, filter: filter}).connect(feed, ""), (&testClient{t: t, filter: filter}).connect(feed, "")
			tx := log.Begin()
			tx.Append(stream.Event{Type: "a", Data: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)})
			tx.Commit()
			readOnce(t, feed)
			a, b := one.stickIn(feed, 1000), two.stickIn(feed, 900_000)
			if &a[len(a)-1] != &b[len(b)-1] {
				t.Error("each client has a copy of the rest")
			}
			if len(one.Transactions) != 1 || len(two.Transactions) != 1 {
				t.Errorf("received %d and %d transactions, want 1 each", len(one.Transactions), len(two.Transactions))
			}
		})
	}
}

// stickIn receives what is pending in two parts, the first of the given size, and returns the largest buffer of the
// other part.
func (c *testClient) stickIn(feed *stream.Feed, written int) (largest []byte) {
	c.t.Helper()
	p := feed.NewFanOutPass(1 << 18)
	before := *c.sub
	data, _, err := p.Pending(c.sub)
	if err != nil {
		c.t.Fatal(err)
	}
	rest := p.Rewind(c.sub, &before, data, written)
	c.write(append([][]byte{data[:written]}, rest...))
	return slices.MaxFunc(rest, func(a, b []byte) int { return len(a) - len(b) })
}

// A socket that is full takes nothing of a write. The client then keeps nothing, and everything is pending again.
func TestRewindAfterASocketTookNothing(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	c := (&testClient{t: t}).connect(feed, "")
	write(log, 3)
	readOnce(t, feed)
	p := feed.NewFanOutPass(1 << 18)
	before := *c.sub
	data, _, err := p.Pending(c.sub)
	if err != nil || len(data) == 0 {
		t.Fatalf("got %d pending bytes, %v", len(data), err)
	}
	if rest := p.Rewind(c.sub, &before, data, 0); len(rest) > 0 || p.SentEvents() != 0 {
		t.Errorf("the client keeps %d buffers, and %d events count as sent", len(rest), p.SentEvents())
	}
	c.receiveInPass(feed)
	if diff := cmp.Diff([]int{3}, sizes(&c.Client)); diff != "" {
		t.Error(diff)
	}
}
