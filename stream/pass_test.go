package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// serve takes what is due as a shard's client does, which asks again only if there may be more: nobody
// tells it of what it has left.
func (c *follower) serve(f *stream.Feed) {
	c.t.Helper()
	p := f.NewFanOutPass(1 << 18)
	for more := true; more; {
		var data []byte
		var err error
		data, more, err = p.Pending(c.sub)
		c.take([][]byte{data})
		if errors.Is(err, stream.ErrBehind) {
			more, err = true, c.sub.CatchUp(context.Background(), func(bufs [][]byte) error { c.take(bufs); return nil })
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// What must be read from the log comes also if the feed holds something before it, and nothing more
// happens afterwards.
func TestPassGoesOnToWhatIsInTheLog(t *testing.T) {
	for name, resumes := range map[string]bool{"live": false, "resumed from a server that was ahead": true} {
		t.Run(name, func(t *testing.T) {
			log := streamtest.NewLog("e1")
			feed := newFeed(t, log, stream.FeedOptions{Bytes: 3000})
			c := (&follower{t: t}).connect(feed, "")
			var want []int
			if resumes {
				ahead := newFeed(t, log, stream.FeedOptions{})
				long := log.Begin()
				write(log, 1)
				readOnce(t, feed)
				long.Write("a", "k")
				long.Commit()
				readOnce(t, ahead)
				c.connect(ahead, c.Cursor).drain()
				c.connect(feed, c.Cursor)
				want = []int{1, 1}
			}
			write(log, 1)
			write(log, 500)
			readOnce(t, feed)
			c.serve(feed)
			if diff := cmp.Diff(append(want, 1, 500), sizes(&c.Client)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a socket had no room for is due again, and is counted when it is sent.
func TestPassCountsWhatWasSent(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	c := (&follower{t: t}).connect(feed, "")
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
			c.take([][]byte{data[:n], p.Rewind(c.sub, &before, data, n)})
		} else {
			c.take([][]byte{data})
		}
		sent += p.SentEvents()
	}
	if sent != 100 || c.sub.Sent() != 100 {
		t.Errorf("passes have counted %d events, and the client %d", sent, c.sub.Sent())
	}
}

// A large event that sockets have no room for is in memory once, and not once for each client.
func TestClientsShareTheRestOfALargeFrame(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	one, two := (&follower{t: t}).connect(feed, ""), (&follower{t: t}).connect(feed, "")
	tx := log.Begin()
	tx.Append(stream.Event{Type: "a", Data: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)})
	tx.Commit()
	readOnce(t, feed)
	p := feed.NewFanOutPass(1 << 18)
	var rests [][]byte
	for _, c := range []*follower{one, two} {
		before := *c.sub
		data, _, err := p.Pending(c.sub)
		if err != nil {
			t.Fatal(err)
		}
		rests = append(rests, p.Rewind(c.sub, &before, data, 1000))
		c.take([][]byte{data[:1000], rests[len(rests)-1]})
	}
	if &rests[0][0] != &rests[1][0] {
		t.Error("each client has a copy")
	}
	if len(one.Transactions) != 1 || len(two.Transactions) != 1 {
		t.Errorf("%d and %d transactions came", len(one.Transactions), len(two.Transactions))
	}
}
