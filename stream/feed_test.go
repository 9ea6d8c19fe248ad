package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// world is a log, some servers that follow it, and clients of these that come and go.
type world struct {
	log     *streamtest.Log
	feeds   []*server
	open    []*streamtest.Tx
	clients []*client
}

type server struct {
	feed *stream.Feed
}

type client struct {
	streamtest.Client
	wish
	filter stream.Filter
	sub    *stream.Subscription
}

// wish is what a client asks for and may hear, as plainly as possible.
type wish struct {
	types, keys, values, grants []string // nil means no restriction, but for grants
	batch, conflate             bool
}

func (w wish) wants(e stream.Event) bool {
	var data struct{ V string }
	readable := json.Unmarshal(e.Data, &data) == nil // not an object
	return (w.types == nil || slices.Contains(w.types, e.Type)) &&
		(w.keys == nil || slices.Contains(w.keys, e.Key)) &&
		(w.values == nil || readable && slices.Contains(w.values, data.V)) &&
		(e.Audience == nil || slices.ContainsFunc(e.Audience, func(tag string) bool {
			return tag == "*" || slices.Contains(w.grants, tag)
		}))
}

func (w wish) filterOf(t *rapid.T) stream.Filter {
	params := map[string][]string{}
	for name, values := range map[string][]string{"types": w.types, "key": w.keys, "where.v": w.values} {
		if values != nil {
			params[name] = values
		}
	}
	f, err := stream.ParseFilter(params)
	if err != nil {
		t.Fatal(err)
	}
	if w.batch {
		f = f.Batched(time.Second)
	}
	if w.conflate {
		f = f.Conflated()
	}
	return f.WithGrants(w.grants)
}

// TestFeedDeliversEverythingOnce lets writers, servers and clients act at random: transactions
// that overlap and commit in any order, rings that hold a few transactions only, clients that
// read in pieces, disconnect anywhere and resume anywhere. At the end every client has every
// committed event of its types once, each transaction in one piece, and the events of each key in
// the order in which they were written.
func TestFeedDeliversEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"begin":     w.begin,
			"write":     w.write,
			"commit":    w.end((*streamtest.Tx).Commit),
			"rollback":  w.end((*streamtest.Tx).Rollback),
			"read":      w.read,
			"connect":   w.connect,
			"advance":   w.advance,
			"pass":      w.pass,
			"heartbeat": w.heartbeat,
			"cut":       w.disconnect,
			"restart":   w.restart,
			"":          func(*rapid.T) {},
		})
		w.finish(t)
	})
}

func newWorld(t *rapid.T) *world {
	w := &world{log: streamtest.NewLog("e1")}
	w.log.PartSize = rapid.IntRange(1, 5).Draw(t, "part size")
	for range 2 {
		w.feeds = append(w.feeds, nil)
		w.start(t, len(w.feeds)-1)
	}
	draw := func(of []string, what string) []string {
		if rapid.Bool().Draw(t, "any "+what) {
			return nil
		}
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, len(of), rapid.ID).Draw(t, what)
	}
	for range 6 {
		c := &client{wish: wish{
			types: draw([]string{"a", "b"}, "types"), keys: draw([]string{"tx700", "tx701", "tx702", "tx704"}, "keys"),
			values: draw([]string{"x", "y", ""}, "values"), grants: draw([]string{"role:a", "user:1", "user:2"}, "grants"),
			batch: rapid.IntRange(0, 2).Draw(t, "batch") == 0, conflate: rapid.IntRange(0, 2).Draw(t, "conflate") == 0,
		}}
		c.filter = c.filterOf(t)
		w.clients = append(w.clients, c)
	}
	// Everybody must have begun before the first event, to be owed all of them.
	for i := range w.clients {
		w.connectTo(t, w.clients[i], w.feeds[i%2])
	}
	return w
}

func (w *world) start(t *rapid.T, i int) {
	f := stream.NewFeed(w.log, stream.FeedOptions{
		Bytes: int64(rapid.IntRange(600, 6000).Draw(t, "feed bytes")),
		Fill:  rapid.IntRange(1, 30).Draw(t, "fill"),
	})
	if err := f.Fill(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.feeds[i] = &server{feed: f}
}

func (w *world) begin(t *rapid.T) {
	if len(w.open) == 6 {
		t.Skip("enough transactions are open")
	}
	w.open = append(w.open, w.log.Begin())
}

func (w *world) write(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no transaction is open")
	}
	tx := rapid.SampledFrom(w.open).Draw(t, "tx")
	for range rapid.IntRange(1, 8).Draw(t, "events") {
		v := rapid.SampledFrom([]string{`"x"`, `"y"`, `null`, `{"v":"x"}`, `"\u0078"`}).Draw(t, "value")
		tx.Append(stream.Event{
			Type: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "type"), Key: rapid.SampledFrom([]string{fmt.Sprint("tx", tx.XID), fmt.Sprint("tx", tx.XID), "", "shared"}).Draw(t, "key"),
			Data:     json.RawMessage(`{"v":` + v + `}`),
			Audience: rapid.SampledFrom([][]string{nil, nil, {}, {"*"}, {"role:a"}, {"user:1"}, {"user:2", "user:1"}, {"user:3"}}).Draw(t, "audience"),
		})
	}
}

func (w *world) end(how func(*streamtest.Tx)) func(*rapid.T) {
	return func(t *rapid.T) {
		if len(w.open) == 0 {
			t.Skip("no transaction is open")
		}
		i := rapid.IntRange(0, len(w.open)-1).Draw(t, "tx")
		how(w.open[i])
		w.open = slices.Delete(w.open, i, i+1)
	}
}

func (w *world) read(t *rapid.T) {
	if err := stream.ReadOnce(rapid.SampledFrom(w.feeds).Draw(t, "server").feed); err != nil {
		t.Fatal(err)
	}
}

func (w *world) restart(t *rapid.T) {
	i := rapid.IntRange(0, len(w.feeds)-1).Draw(t, "server")
	for _, c := range w.clients {
		if c.sub != nil && stream.FeedOf(c.sub) == w.feeds[i].feed {
			c.sub = nil
			c.Disconnect()
		}
	}
	w.start(t, i)
}

func (w *world) connect(t *rapid.T) {
	w.connectTo(t, rapid.SampledFrom(w.clients).Draw(t, "client"), rapid.SampledFrom(w.feeds).Draw(t, "server"))
}

func (w *world) connectTo(t *rapid.T, c *client, s *server) {
	c.Client.Disconnect()
	var cursor stream.Cursor
	if c.Cursor != "" {
		var err error
		if cursor, err = stream.ParseCursor(c.Cursor); err != nil {
			t.Fatal(err)
		}
	}
	sub, sync, err := s.feed.Subscribe(context.Background(), cursor, c.filter)
	if err != nil {
		t.Fatal(err)
	}
	if sync.Mode == stream.ModeReset {
		t.Fatalf("reset of %q: %s", c.Cursor, sync.Reason)
	}
	c.sub = sub
	c.take(t, [][]byte{sub.Sync(nil, sync, epochTime)})
}

func (c *client) take(t *rapid.T, bufs [][]byte) {
	for _, b := range bufs {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) disconnect(t *rapid.T) {
	c := rapid.SampledFrom(w.clients).Draw(t, "client")
	c.sub = nil
	c.Disconnect()
}

// advance lets a client take what is due, or a part of it; the connection may break in between.
func (w *world) advance(t *rapid.T) {
	c := rapid.SampledFrom(w.clients).Draw(t, "client")
	if c.sub == nil {
		t.Skip("client is not connected")
	}
	c.step(t, rapid.IntRange(1, 2000).Draw(t, "limit"), rapid.IntRange(0, 20).Draw(t, "break after"))
}

// heartbeat comes to a client whatever is due.
func (w *world) heartbeat(t *rapid.T) {
	c := rapid.SampledFrom(w.clients).Draw(t, "client")
	if c.sub == nil {
		t.Skip("client is not connected")
	}
	c.take(t, [][]byte{c.sub.Heartbeat(nil, epochTime)})
}

// pass serves all clients as a shard does: with one pass for each feed, to sockets that take a part.
func (w *world) pass(t *rapid.T) {
	limit := rapid.IntRange(1, 2000).Draw(t, "limit")
	passes := make(map[*stream.Feed]*stream.FanOutPass)
	for _, c := range w.clients {
		if c.sub == nil {
			continue
		}
		feed := stream.FeedOf(c.sub)
		if passes[feed] == nil {
			passes[feed] = feed.NewFanOutPass(limit)
		}
		before := *c.sub
		data, _, err := passes[feed].Pending(c.sub)
		if err != nil && !errors.Is(err, stream.ErrBehind) {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, len(data)).Draw(t, "room")
		if n == len(data) {
			c.take(t, [][]byte{data})
			continue
		}
		if rapid.Bool().Draw(t, "feed moves on") {
			if err := stream.ReadOnce(feed); err != nil {
				t.Fatal(err)
			}
		}
		c.take(t, [][]byte{data[:n], passes[feed].Rewind(c.sub, &before, data, n)})
	}
}

var errBroken = errors.New("connection broke")

// step is one round of what a connection does. It reports whether something came.
func (c *client) step(t *rapid.T, limit, breakAfter int) bool {
	bufs, err := c.sub.Pending(nil, limit)
	c.take(t, bufs)
	if errors.Is(err, stream.ErrBehind) {
		err = c.sub.CatchUp(context.Background(), func(bufs [][]byte) error {
			if breakAfter--; breakAfter == 0 {
				return errBroken
			}
			if len(bufs) == 0 { // as a connection does while a filter lets nothing through
				bufs = [][]byte{c.sub.Heartbeat(nil, epochTime)}
			}
			c.take(t, bufs)
			return nil
		})
		if errors.Is(err, errBroken) {
			c.sub = nil
			c.Disconnect()
			return true
		}
		bufs = [][]byte{nil}
	}
	if err != nil {
		t.Fatal(err)
	}
	if rapid.IntRange(0, 9).Draw(t, "heartbeat") == 0 {
		c.take(t, [][]byte{c.sub.Heartbeat(nil, epochTime)})
	}
	return len(bufs) > 0
}

func (w *world) finish(t *rapid.T) {
	for _, tx := range w.open {
		tx.Commit()
	}
	for _, s := range w.feeds {
		if err := stream.ReadOnce(s.feed); err != nil {
			t.Fatal(err)
		}
	}
	committed := w.log.Committed()
	for i, c := range w.clients {
		if c.sub == nil {
			w.connectTo(t, c, w.feeds[0])
		}
		for c.step(t, 1<<20, 0) {
		}
		c.check(t, i, committed)
	}
}

// check compares what the client has with what was committed.
func (c *client) check(t *rapid.T, n int, committed []*streamtest.Tx) {
	want, txOf := make(map[int64]stream.Event), make(map[int64]*streamtest.Tx)
	for _, tx := range committed {
		for _, e := range tx.Events {
			txOf[e.ID] = tx
			if c.wants(e) {
				want[e.ID] = e
			}
		}
	}
	var all []stream.Event
	for _, got := range c.Transactions {
		last := int64(0)
		for _, e := range got {
			wanted, ok := want[e.ID]
			if !ok {
				t.Fatalf("client %d got event %d that it was not owed, or twice", n, e.ID)
			}
			delete(want, e.ID)
			all = append(all, wanted)
			if c.batch || c.conflate { // their transactions cannot be told apart
				continue
			}
			if txOf[e.ID] != txOf[got[0].ID] {
				t.Fatalf("client %d got transactions %d and %d mixed", n, txOf[e.ID].XID, txOf[got[0].ID].XID)
			}
			if e.ID <= last {
				t.Fatalf("client %d got event %d after %d", n, e.ID, last)
			}
			last = e.ID
		}
	}
	if c.conflate {
		c.checkConflated(t, n, want, all, txOf)
		return
	}
	c.checkOrder(t, n, committed)
	if len(want) > 0 {
		t.Fatalf("client %d misses %d events: %v", n, len(want), want)
	}
}

// checkConflated makes sure that for each event that is missing there is a newer one about the same.
func (c *client) checkConflated(t *rapid.T, n int, missing map[int64]stream.Event, all []stream.Event, txOf map[int64]*streamtest.Tx) {
	for _, e := range missing {
		newer := slices.ContainsFunc(all, func(got stream.Event) bool {
			a, b := txOf[e.ID], txOf[got.ID]
			later := b.CommittedBefore > a.Events[0].ID // b had not committed before a wrote
			return got.Key == e.Key && got.Type == e.Type && (a == b && got.ID > e.ID || a != b && later)
		})
		if e.Key == "" || !newer {
			t.Fatalf("client %d misses %+v, and nothing newer came", n, e)
		}
	}
	if c.batch {
		return
	}
	for i, e := range all { // of one transaction, which is sent in its order
		for _, before := range all[:i] {
			if txOf[before.ID] == txOf[e.ID] && before.ID > e.ID {
				t.Fatalf("client %d got event %d after %d", n, e.ID, before.ID)
			}
		}
	}
}

// checkOrder compares every two transactions of which one can have waited for the other.
func (c *client) checkOrder(t *rapid.T, n int, committed []*streamtest.Tx) {
	txOf := make(map[int64]*streamtest.Tx)
	for _, tx := range committed {
		for _, e := range tx.Events {
			txOf[e.ID] = tx
		}
	}
	for i, later := range c.Transactions {
		for _, earlier := range c.Transactions[:i] {
			a, b := txOf[earlier[0].ID], txOf[later[0].ID]
			if b.CommittedBefore <= a.Events[0].ID {
				t.Fatalf("client %d got transaction %d before %d, which had committed before it wrote", n, a.XID, b.XID)
			}
		}
	}
}
