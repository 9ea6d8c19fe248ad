package stream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// serve takes what is due as a shard's client does, which asks again only if there may be more: nobody
// tells it of what it has left.
func (c *follower) serve(f *stream.Feed) {
	c.t.Helper()
	p := f.Pass(1 << 18)
	for more := true; more; {
		var data []byte
		var err error
		data, more, err = p.Due(c.sub)
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
