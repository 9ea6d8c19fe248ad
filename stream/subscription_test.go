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

func newFeed(t *testing.T, log stream.Log, opts stream.FeedOptions) *stream.Feed {
	t.Helper()
	f := stream.NewFeed(log, opts)
	if err := f.Fill(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f
}

func readOnce(t *testing.T, f *stream.Feed) {
	t.Helper()
	if err := stream.ReadOnce(f); err != nil {
		t.Fatal(err)
	}
}

// write commits a transaction of the given number of events.
func write(log *streamtest.Log, events int) *streamtest.Tx {
	tx := log.Begin()
	for range events {
		tx.Write("a", "k")
	}
	tx.Commit()
	return tx
}

// testClient receives from one feed at a time.
type testClient struct {
	t *testing.T
	streamtest.Client
	filter stream.Filter
	sub    *stream.Subscription
	sync   stream.Sync
}

func (c *testClient) connect(f *stream.Feed, text string) *testClient {
	c.t.Helper()
	c.Disconnect()
	cursor, err := stream.Cursor{}, error(nil)
	if text != "" {
		cursor, err = stream.ParseCursor(text)
	}
	if err != nil {
		c.sub, c.sync = f.SubscribeReset(c.filter, stream.ResetMalformed)
	} else if c.sub, c.sync, err = f.Subscribe(context.Background(), cursor, c.filter); err != nil {
		c.t.Fatal(err)
	}
	c.write([][]byte{c.sub.Sync(nil, c.sync, epochTime)})
	return c
}

func (c *testClient) write(bufs [][]byte) {
	for _, b := range bufs {
		if _, err := c.Write(b); err != nil {
			c.t.Fatal(err)
		}
	}
}

// receiveAll receives all pending events, and returns the sizes of the transactions.
func (c *testClient) receiveAll() []int {
	c.t.Helper()
	before := len(c.Transactions)
	for {
		bufs, err := c.sub.Pending(nil, 1<<20)
		c.write(bufs)
		if errors.Is(err, stream.ErrBehind) {
			err = c.sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: func(bufs [][]byte) error { c.write(bufs); return nil }})
		} else if len(bufs) == 0 && err == nil {
			var sizes []int
			for _, tx := range c.Transactions[before:] {
				sizes = append(sizes, len(tx))
			}
			return sizes
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// A client resumes at a server that has seen less than the one before. Its id lines must contain what
// the first server delivered.
func TestCursorOfAServerThatIsAhead(t *testing.T) {
	log := streamtest.NewLog("e1")
	ahead := newFeed(t, log, stream.FeedOptions{})
	behind := newFeed(t, log, stream.FeedOptions{})
	c := (&testClient{t: t}).connect(ahead, "")

	long := log.Begin()
	write(log, 2)
	readOnce(t, behind) // its cursor has a hole for long
	late := log.Begin()
	late.Write("a", "k") // before the last event of long: a read of both yields late first
	long.Write("a", "k")
	long.Write("a", "k")
	long.Write("a", "k")
	long.Commit()
	readOnce(t, ahead)
	if diff := cmp.Diff([]int{2, 3}, c.receiveAll()); diff != "" {
		t.Fatal(diff)
	}

	c.connect(behind, c.Cursor)
	late.Commit()
	readOnce(t, behind)
	bufs, err := c.sub.Pending(nil, 1) // late alone
	if err != nil {
		t.Fatal(err)
	}
	c.write(bufs)
	c.connect(ahead, c.Cursor) // late's id line must contain long
	readOnce(t, ahead)
	if diff := cmp.Diff([]int{2, 3, 1}, sizes(&c.Client)); diff != "" {
		t.Fatal(diff)
	}
	if got := c.receiveAll(); got != nil {
		t.Fatalf("received transactions of %v events twice", got)
	}
}

func sizes(c *streamtest.Client) []int {
	var out []int
	for _, tx := range c.Transactions {
		out = append(out, len(tx))
	}
	return out
}

func TestSubscribeModes(t *testing.T) {
	log := streamtest.NewLog("e1")
	write(log, 1)
	feed := newFeed(t, log, stream.FeedOptions{})
	start := feed.Head().String()
	write(log, 2)
	readOnce(t, feed)

	two, none := 2, 0
	for name, test := range map[string]struct {
		cursor string
		want   stream.Sync
	}{
		"first time":  {"", stream.Sync{Mode: stream.ModeLive}},
		"resumed":     {start, stream.Sync{Mode: stream.ModeResumed, Events: &two}},
		"up to date":  {feed.Head().String(), stream.Sync{Mode: stream.ModeResumed, Events: &none}},
		"other log":   {"e2-jg", stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetOtherLog}},
		"from future": {"e1-zzz", stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetFuture}},
		"malformed":   {"1841", stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetMalformed}},
		"too long":    {strings.Repeat("k", 100_000), stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetMalformed}},
	} {
		t.Run(name, func(t *testing.T) {
			c := (&testClient{t: t}).connect(feed, test.cursor)
			if diff := cmp.Diff(test.want, c.sync); diff != "" {
				t.Fatal(diff)
			}
			c.receiveAll()
			if test.want.Mode != stream.ModeResumed && c.Cursor != feed.Head().String() {
				t.Errorf("client has cursor %s, want the feed's head %s", c.Cursor, feed.Head())
			}
		})
	}
}

func TestResumeFromTheLogWhenTheFeedDoesNotReachBack(t *testing.T) {
	log := streamtest.NewLog("e1")
	log.PartSize = 7
	feed := newFeed(t, log, stream.FeedOptions{Bytes: 2000})
	c := (&testClient{t: t}).connect(feed, "")
	var want []int
	for n := range 20 {
		write(log, n+1)
		want = append(want, n+1)
	}
	readOnce(t, feed)
	if diff := cmp.Diff(want, c.receiveAll()); diff != "" {
		t.Fatal(diff)
	}
	if feed.Stats().CatchUps == 0 {
		t.Fatal("no catch-up: the test no longer reads from the log")
	}
}

func TestPrunedCursorIsReset(t *testing.T) {
	log := streamtest.NewLog("e1")
	write(log, 1)
	feed := newFeed(t, log, stream.FeedOptions{Bytes: 1})
	c := (&testClient{t: t}).connect(feed, "")
	old := c.Cursor
	write(log, 1)
	write(log, 1)
	readOnce(t, feed)
	log.Prune()
	if c.connect(feed, old); c.sync.Reason != stream.ResetPruned {
		t.Fatalf("received %+v, want a reset: pruned", c.sync)
	}
	// A connected subscription that is behind the log receives the reset from CatchUp.
	write(log, 1)
	write(log, 1)
	write(log, 1)
	readOnce(t, feed)
	log.Prune()
	_, err := c.sub.Pending(nil, 1<<20)
	if !errors.Is(err, stream.ErrBehind) {
		t.Fatalf("Pending returned %v, want ErrBehind", err)
	}
	var reset *stream.ResetError
	if err := c.sub.CatchUp(context.Background(), stream.CatchUpClient{}); !errors.As(err, &reset) || reset.Reason != stream.ResetPruned {
		t.Fatalf("CatchUp returned %v, want a reset: pruned", err)
	}
	write(log, 4)
	readOnce(t, feed)
	if diff := cmp.Diff([]int{4}, c.receiveAll()); diff != "" {
		t.Fatal(diff)
	}
}

func TestFailoverResetsSubscriptions(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	c := (&testClient{t: t}).connect(feed, "")
	log.Replace("e2")
	write(log, 1)
	readOnce(t, feed)
	_, err := c.sub.Pending(nil, 1<<20)
	var reset *stream.ResetError
	if !errors.As(err, &reset) || reset.Reason != stream.ResetOtherLog {
		t.Fatalf("Pending returned %v, want a reset: other_log", err)
	}
	if !strings.HasPrefix(c.sub.Cursor().String(), "e2-") {
		t.Fatalf("subscription has cursor %s, want one of the new log", c.sub.Cursor())
	}
	write(log, 3)
	readOnce(t, feed)
	if diff := cmp.Diff([]int{3}, c.receiveAll()); diff != "" {
		t.Fatal(diff)
	}
}

func TestSubscribeReturnsTheErrorOfTheLog(t *testing.T) {
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	down := errors.New("down")
	log.Break(down)
	ahead := stream.NewCursor("e1", 900, nil)
	if _, _, err := feed.Subscribe(context.Background(), ahead, stream.Filter{}); !errors.Is(err, down) {
		t.Fatalf("Subscribe returned %v, want %v", err, down)
	}
}

// withAHole returns a client with a pending transaction, and an older transaction that is still running
// and has written nothing.
func withAHole(t *testing.T) (*streamtest.Log, *stream.Feed, *testClient, *streamtest.Tx) {
	t.Helper()
	log := streamtest.NewLog("e1")
	feed := newFeed(t, log, stream.FeedOptions{})
	c := (&testClient{t: t}).connect(feed, "")
	idle := log.Begin()
	write(log, 1)
	readOnce(t, feed)
	return log, feed, c, idle
}

// A transaction that ends without events must not stay a hole: holes make cursors long, and a cursor
// with a hole below the log's horizon is reset as pruned.
func TestHolesOfFinishedTransactionsAreClosed(t *testing.T) {
	_, feed, c, idle := withAHole(t)
	c.receiveAll()
	if len(c.sub.Cursor().Holes()) != 1 {
		t.Fatalf("got cursor %s, want one hole", c.sub.Cursor())
	}
	idle.Rollback()
	readOnce(t, feed)
	c.receiveAll()
	if got := c.sub.Cursor(); len(got.Holes()) != 0 {
		t.Fatalf("got cursor %s, want no hole", got)
	}
}

// While no event is written, no client calls Pending. A heartbeat then carries the cursor without the
// holes; otherwise the client would reconnect with an old cursor, below the log's horizon.
func TestHeartbeatClosesHolesOfFinishedTransactions(t *testing.T) {
	log, feed, c, idle := withAHole(t)
	c.write([][]byte{c.sub.Heartbeat(nil, epochTime)})
	if cursor, err := stream.ParseCursor(c.Cursor); err != nil || cursor.Next() > idle.XID {
		t.Fatalf("heartbeat has cursor %s (%v), which contains events that were not sent", c.Cursor, err)
	}
	c.receiveAll()
	idle.Rollback()
	readOnce(t, feed)
	c.write([][]byte{c.sub.Heartbeat(nil, epochTime)})
	cursor, err := stream.ParseCursor(c.Cursor)
	if err != nil || len(cursor.Holes()) > 0 {
		t.Fatalf("heartbeat has cursor %s (%v), want no hole", c.Cursor, err)
	}
	log.Prune()
	if c.connect(feed, c.Cursor); c.sync.Mode != stream.ModeResumed {
		t.Errorf("reconnecting, the client received %+v, want it resumed", c.sync)
	}
}
