package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// world holds a log, servers that read it, and clients that connect to them and disconnect.
type world struct {
	log     *streamtest.Log
	feeds   []*stream.Feed // one for each server
	open    []*streamtest.Tx
	clients []*client

	collections *collection.Set
}

type client struct {
	streamtest.Client
	selection
	named  map[string]selection // on a stream with several selections, with the grants and the merging of selection
	filter stream.Filter
	sub    *stream.Subscription
}

// selection says which events a client selects and may receive. It is the model of stream.Filter.
type selection struct {
	types, keys, values, grants []string // nil means no restriction, but for grants
	batch, conflate             bool
}

func (s selection) matches(e stream.Event) bool {
	var data struct{ V string }
	readable := json.Unmarshal(e.Data, &data) == nil // false for an object as V
	if e.Type == stream.TypeCollectionReset {
		return true
	}
	return (s.types == nil || slices.Contains(s.types, e.Type)) &&
		(s.keys == nil || slices.Contains(s.keys, e.Key)) &&
		(s.values == nil || e.Incomplete == stream.Oversized || readable && slices.Contains(s.values, data.V)) &&
		(e.Audience == nil || slices.ContainsFunc(e.Audience, func(tag string) bool {
			return tag == "*" || slices.Contains(s.grants, tag)
		}))
}

func (s selection) params() url.Values {
	params := url.Values{}
	for name, values := range map[string][]string{"types": s.types, "key": s.keys, "where.v": s.values} {
		if values != nil {
			params[name] = values
		}
	}
	return params
}

func (c *client) newFilter(t *rapid.T) stream.Filter {
	params := url.Values{}
	if c.named == nil {
		params = c.params()
	}
	for name, s := range c.named {
		params.Set("q."+name, strings.TrimSuffix("events;"+strings.ReplaceAll(s.params().Encode(), "&", ";"), ";"))
	}
	s := c.selection
	f, err := stream.ParseFilter(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.batch {
		f = f.Batched(time.Second)
	}
	if s.conflate {
		f = f.Conflated()
	}
	return f.WithGrants(s.grants)
}

// TestFeedDeliversEveryEventOnce lets writers, servers and clients act at random: transactions overlap
// and commit in any order, ring buffers hold a few transactions only, and clients read in pieces,
// disconnect anywhere and resume at any server. At the end every client has every committed event of
// its selection once, each transaction in one piece, and the events of each key in the order in which
// they were written.
func TestFeedDeliversEveryEventOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"begin":     w.begin,
			"write":     w.write,
			"commit":    w.end((*streamtest.Tx).Commit),
			"rollback":  w.end((*streamtest.Tx).Rollback),
			"read":      w.read,
			"connect":   w.connect,
			"receive":   w.receive,
			"fan out":   w.fanOut,
			"heartbeat": w.heartbeat,
			"break":     w.disconnect,
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
		c := &client{selection: selection{
			types: draw([]string{"a", "b"}, "types"), keys: draw([]string{"tx700", "tx701", "tx702", "tx704"}, "keys"),
			values: draw([]string{"x", "y", ""}, "values"), grants: draw([]string{"role:a", "user:1", "user:2"}, "grants"),
			batch: rapid.IntRange(0, 2).Draw(t, "batch") == 0, conflate: rapid.IntRange(0, 2).Draw(t, "conflate") == 0,
		}}
		for i := range rapid.IntRange(0, 3).Draw(t, "selections") {
			s := c.selection
			s.types, s.keys = draw([]string{"a", "b"}, "types"), draw([]string{"tx700", "tx701", "tx702", "tx704"}, "keys")
			s.values = draw([]string{"x", "y", ""}, "values")
			if c.named == nil {
				c.named = map[string]selection{}
			}
			c.named[fmt.Sprint("s", i)] = s
		}
		c.filter = c.newFilter(t)
		w.clients = append(w.clients, c)
	}
	// All clients connect before the first event, so that each must receive all of its selection.
	for i := range w.clients {
		w.connectTo(t, w.clients[i], w.feeds[i%2])
	}
	return w
}

func (w *world) start(t *rapid.T, i int) {
	f := stream.NewFeed(w.log, stream.FeedOptions{
		Bytes: int64(rapid.IntRange(600, 6000).Draw(t, "feed bytes")),
		Fill:  rapid.IntRange(1, 30).Draw(t, "fill"), Collections: w.collections,
	})
	if err := f.Fill(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.feeds[i] = f
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
		e := stream.Event{
			Type: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "type"), Key: rapid.SampledFrom([]string{fmt.Sprint("tx", tx.XID), fmt.Sprint("tx", tx.XID), "", "shared"}).Draw(t, "key"),
			Data:     json.RawMessage(`{"v":` + v + `}`),
			Audience: rapid.SampledFrom([][]string{nil, nil, {}, {"*"}, {"role:a"}, {"user:1"}, {"user:2", "user:1"}, {"user:3"}}).Draw(t, "audience"),
		}
		switch rapid.IntRange(0, 9).Draw(t, "readable") {
		case 0:
			e.Incomplete, e.Data = stream.Oversized, nil
		case 1:
			e = e.Lost(stream.Unreadable, "22P05")
		}
		tx.Append(e)
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
	if err := stream.ReadOnce(rapid.SampledFrom(w.feeds).Draw(t, "server")); err != nil {
		t.Fatal(err)
	}
}

func (w *world) restart(t *rapid.T) {
	i := rapid.IntRange(0, len(w.feeds)-1).Draw(t, "server")
	for _, c := range w.clients {
		if c.sub != nil && stream.FeedOf(c.sub) == w.feeds[i] {
			c.sub = nil
			c.Disconnect()
		}
	}
	w.start(t, i)
}

func (w *world) connect(t *rapid.T) {
	w.connectTo(t, rapid.SampledFrom(w.clients).Draw(t, "client"), rapid.SampledFrom(w.feeds).Draw(t, "server"))
}

func (w *world) connectTo(t *rapid.T, c *client, f *stream.Feed) {
	c.Client.Disconnect()
	var cursor stream.Cursor
	if c.Cursor != "" {
		var err error
		if cursor, err = stream.ParseCursor(c.Cursor); err != nil {
			t.Fatal(err)
		}
	}
	sub, sync, err := f.Subscribe(context.Background(), cursor, c.filter)
	if err != nil {
		t.Fatal(err)
	}
	if sync.Mode == stream.ModeReset {
		t.Fatalf("reset of %q: %s", c.Cursor, sync.Reason)
	}
	c.sub = sub
	c.write(t, [][]byte{sub.Sync(nil, sync, epochTime)})
}

func (c *client) write(t *rapid.T, bufs [][]byte) {
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

// receive lets a client receive some of its pending events. The connection may break meanwhile.
func (w *world) receive(t *rapid.T) {
	c := rapid.SampledFrom(w.clients).Draw(t, "client")
	if c.sub == nil {
		t.Skip("client is not connected")
	}
	c.step(t, rapid.IntRange(1, 2000).Draw(t, "limit"), rapid.IntRange(0, 20).Draw(t, "break after"))
}

// heartbeat sends a client a heartbeat, whether events are pending or not.
func (w *world) heartbeat(t *rapid.T) {
	c := rapid.SampledFrom(w.clients).Draw(t, "client")
	if c.sub == nil {
		t.Skip("client is not connected")
	}
	c.write(t, [][]byte{c.sub.Heartbeat(nil, epochTime)})
}

// fanOut serves all clients as a shard does: one pass for each feed, to sockets that take a part of a
// write.
func (w *world) fanOut(t *rapid.T) {
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
		n := rapid.IntRange(0, len(data)).Draw(t, "bytes written")
		if n == len(data) {
			c.write(t, [][]byte{data})
			continue
		}
		if rapid.Bool().Draw(t, "feed reads") {
			if err := stream.ReadOnce(feed); err != nil {
				t.Fatal(err)
			}
		}
		c.write(t, append([][]byte{data[:n]}, passes[feed].Rewind(c.sub, &before, data, n)...))
	}
}

var errBroken = errors.New("connection broke")

// step serves the connection once, as a goroutine does. It reports whether something may be pending.
func (c *client) step(t *rapid.T, limit, breakAfter int) bool {
	bufs, err := c.sub.Pending(nil, limit)
	c.write(t, bufs)
	if errors.Is(err, stream.ErrBehind) {
		err = c.sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: func(bufs [][]byte) error {
			if breakAfter--; breakAfter == 0 {
				return errBroken
			}
			if len(bufs) == 0 { // the filter matched nothing
				bufs = [][]byte{c.sub.Heartbeat(nil, epochTime)}
			}
			c.write(t, bufs)
			return nil
		}})
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
		c.write(t, [][]byte{c.sub.Heartbeat(nil, epochTime)})
	}
	return len(bufs) > 0
}

func (w *world) finish(t *rapid.T) {
	for _, tx := range w.open {
		tx.Commit()
	}
	for _, f := range w.feeds {
		if err := stream.ReadOnce(f); err != nil {
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
		if c.named == nil {
			c.check(t, i, committed)
		}
		for name, s := range c.named {
			c.of(name, s).check(t, i, committed)
		}
	}
}

// of returns a client that has received what one of several selections has.
func (c *client) of(name string, s selection) *client {
	one := &client{selection: s}
	for _, transaction := range c.Transactions {
		got := slices.DeleteFunc(slices.Clone(transaction), func(e streamtest.Envelope) bool { return !slices.Contains(e.Q, name) })
		if len(got) > 0 {
			one.Transactions = append(one.Transactions, got)
		}
	}
	return one
}

// check compares the events that the client received with those that were committed.
func (c *client) check(t *rapid.T, n int, committed []*streamtest.Tx) {
	want, txOf := make(map[int64]stream.Event), make(map[int64]*streamtest.Tx)
	for _, tx := range committed {
		for _, e := range tx.Events {
			txOf[e.ID] = tx
			if c.matches(e) {
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
				t.Fatalf("client %d received event %d twice, or must not receive it", n, e.ID)
			}
			delete(want, e.ID)
			all = append(all, wanted)
			if c.batch || c.conflate { // the bytes do not show its transactions
				continue
			}
			if txOf[e.ID] != txOf[got[0].ID] {
				t.Fatalf("client %d received transactions %d and %d mixed", n, txOf[e.ID].XID, txOf[got[0].ID].XID)
			}
			if e.ID <= last {
				t.Fatalf("client %d received event %d after %d", n, e.ID, last)
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

// checkConflated checks that for each missing event a newer one of the same type and key was received.
func (c *client) checkConflated(t *rapid.T, n int, missing map[int64]stream.Event, all []stream.Event, txOf map[int64]*streamtest.Tx) {
	for _, e := range missing {
		newer := slices.ContainsFunc(all, func(got stream.Event) bool {
			a, b := txOf[e.ID], txOf[got.ID]
			later := b.CommittedBefore > a.Events[0].ID // b committed after a had written
			return got.Key == e.Key && got.Type == e.Type && (a == b && got.ID > e.ID || a != b && later)
		})
		if e.Key == "" || !newer {
			t.Fatalf("client %d misses %+v and received no newer event", n, e)
		}
	}
	if c.batch {
		return
	}
	for i, e := range all { // the events of one transaction keep their order
		for _, before := range all[:i] {
			if txOf[before.ID] == txOf[e.ID] && before.ID > e.ID {
				t.Fatalf("client %d received event %d after %d", n, e.ID, before.ID)
			}
		}
	}
}

// checkOrder compares every two transactions of which one may have waited for a row lock of the other.
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
				t.Fatalf("client %d received transaction %d before %d, which committed before %d wrote", n, a.XID, b.XID, a.XID)
			}
		}
	}
}
