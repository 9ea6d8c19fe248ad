package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// history is a log of transactions of all sizes, with a cursor after each of them.
func history(t *testing.T, transactions int) (*streamtest.Log, []string) {
	t.Helper()
	log := streamtest.NewLog("e1")
	log.PartSize = 5
	feed := newFeed(t, log, stream.FeedOptions{})
	cursors := []string{feed.Head().String()}
	for i := range transactions {
		tx := log.Begin()
		for n := range 1 + i%13 {
			e := stream.Event{Type: string(rune('a' + n%3)), Key: fmt.Sprint("k", i%7), Data: json.RawMessage(fmt.Sprintf(`{"v":"%d","pad":%q}`, n%4, strings.Repeat("x", 200)))}
			if n%5 == 4 {
				e.Audience = []string{fmt.Sprint("user:", i%9)}
			}
			tx.Append(e)
		}
		tx.Commit()
		readOnce(t, feed)
		cursors = append(cursors, feed.Head().String())
	}
	return log, cursors
}

// TestReplaysDeliverEveryEventOnce lets many subscriptions with different cursors, filters and grants catch up
// at once, with memory for a few pages, some of them slowly, some of them giving up and resuming. Each must
// receive every event of its selection once, and the memory must stay within its limit.
func TestReplaysDeliverEveryEventOnce(t *testing.T) {
	for name, opts := range map[string]stream.FeedOptions{
		"ample":         {Bytes: 1, CatchUpBytes: 64 << 20, PageBytes: 20_000},
		"scarce":        {Bytes: 1, CatchUpBytes: 4<<20 + 50_000, PageBytes: 20_000},
		"one at a time": {Bytes: 1, CatchUpBytes: 1, PageBytes: 20_000, CatchUpQueries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			log, cursors := history(t, 100)
			feed := newFeed(t, log, opts)
			var clients sync.WaitGroup
			for i := range 30 {
				random := rand.New(rand.NewPCG(uint64(i), 0))
				sel := selection{grants: []string{fmt.Sprint("user:", i%9)}}
				if i%4 == 1 {
					sel.types = []string{"a", "b"}
				}
				if i%5 == 2 {
					sel.keys = []string{"k1", "k3"}
				}
				if i%6 == 3 {
					sel.values = []string{"1"}
				}
				sel.batch = i%7 == 3
				start := cursors[random.IntN(len(cursors)/2)]
				clients.Go(func() { catchUpAll(t, feed, log, sel, start, random, opts.CatchUpBytes+2<<20) })
			}
			clients.Wait()
			if bytes, open := stream.CatchUpBytes(feed); bytes != 0 || open != 0 {
				t.Errorf("%d bytes in %d replays remain", bytes, open)
			}
		})
	}
}

// catchUpAll receives everything after the cursor, and compares it with the log.
func catchUpAll(t *testing.T, feed *stream.Feed, log *streamtest.Log, sel selection, start string, random *rand.Rand, limit int64) {
	c := &client{selection: sel}
	c.filter = filterOf(t, sel)
	c.Cursor = start
	from, err := stream.ParseCursor(start)
	if err != nil {
		t.Error(err)
		return
	}
	for range 200 {
		cursor, err := stream.ParseCursor(c.Cursor)
		if err != nil {
			t.Error(err)
			return
		}
		if c.sub, _, err = feed.Subscribe(context.Background(), cursor, c.filter); err != nil {
			t.Error(err)
			return
		}
		breakAfter := 20 + random.IntN(300)
		emit := func(bufs [][]byte) error {
			if bytes, open := stream.CatchUpBytes(feed); bytes > limit && open > 1 {
				t.Errorf("%d bytes in %d replays exceed %d", bytes, open, limit)
			}
			if breakAfter--; breakAfter < 0 {
				return errBroken
			}
			if random.IntN(50) == 0 {
				time.Sleep(time.Millisecond) // a slow client
			}
			if len(bufs) == 0 {
				bufs = [][]byte{c.sub.Heartbeat(nil, epochTime)}
			}
			for _, b := range bufs {
				if _, err := c.Write(b); err != nil {
					t.Error(err)
				}
			}
			return nil
		}
		err = receive(c.sub, emit)
		c.Disconnect()
		if err == nil {
			break
		}
	}
	var want, got []int64
	for _, tx := range log.Committed() {
		for _, e := range tx.Events {
			if !from.Seen(tx.XID) && sel.matches(e) {
				want = append(want, e.ID)
			}
		}
	}
	for _, e := range c.Client.Events() {
		got = append(got, e.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("client from %s with %+v: %s", start, sel, diff)
	}
}

// receive passes everything that is pending to emit.
func receive(sub *stream.Subscription, emit func([][]byte) error) error {
	for {
		bufs, err := sub.Pending(nil, 1<<20)
		switch {
		case errors.Is(err, stream.ErrBehind):
			err = sub.CatchUp(context.Background(), stream.CatchUpClient{Emit: emit})
		case err == nil && len(bufs) == 0:
			return nil
		case err == nil:
			err = emit(bufs)
		}
		if err != nil {
			return err
		}
	}
}

func filterOf(t *testing.T, s selection) stream.Filter {
	params := map[string][]string{}
	for name, values := range map[string][]string{"types": s.types, "key": s.keys, "where.v": s.values} {
		if values != nil {
			params[name] = values
		}
	}
	f, err := stream.ParseFilter(params, nil)
	if err != nil {
		t.Error(err)
	}
	if s.batch {
		f = f.Batched(time.Second)
	}
	return f.WithGrants(s.grants)
}
