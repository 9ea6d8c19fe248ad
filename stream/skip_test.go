package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestPassesSkipNothing compares what a fan-out pass gives to many filters with what each of them gets alone.
func TestPassesSkipNothing(t *testing.T) {
	set, err := collection.NewSet([]collection.Collection{
		{Name: "a", Table: "public.a", Key: []string{"id"}, Types: map[string]collection.Op{"a_new": collection.OpInsert, "a_set": collection.OpUpdate, "a_gone": collection.OpDelete},
			Fields: []collection.Field{{Name: "n", Filter: collection.Integer, Column: "n"}, {Name: "m", Filter: collection.Integer, Column: "m"}}},
		{Name: "b", Table: "public.b", Key: []string{"id"}, Types: map[string]collection.Op{"b_set": collection.OpUpdate},
			Fields: []collection.Field{{Name: "n", Filter: collection.Integer, Column: "n", FilterSince: 705}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var filters []stream.Filter
	for n := range 6 {
		for _, query := range []string{"collection=a&where.n=%d", "collection=b&where.n=in.(%d,7)", "collection=a&where.n=%d&where.m=1", "q.a=collection:a%%3Bwhere.n=%[1]d&q.b=collection:b%%3Bwhere.n=%[1]d"} {
			params, err := url.ParseQuery(fmt.Sprintf(query, n))
			if err != nil {
				t.Fatal(err)
			}
			f, err := stream.ParseFilter(params, set)
			if err != nil {
				t.Fatal(err)
			}
			filters = append(filters, f)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		log := streamtest.NewLog("e1")
		feed := stream.NewFeed(log, stream.FeedOptions{Collections: set})
		if err := feed.Fill(context.Background()); err != nil {
			t.Fatal(err)
		}
		var together, alone []*stream.Subscription
		for _, f := range filters {
			for _, to := range []*[]*stream.Subscription{&together, &alone} {
				s, _, err := feed.Subscribe(context.Background(), stream.Cursor{}, f)
				if err != nil {
					t.Fatal(err)
				}
				*to = append(*to, s)
			}
		}
		got := make([][]byte, len(together))
		receive := func(pass *stream.FanOutPass, i int) {
			for more := true; more; {
				var data []byte
				if data, more, err = pass.Pending(together[i]); err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], data...)
			}
		}
		for range rapid.IntRange(1, 5).Draw(t, "passes") {
			for range rapid.IntRange(1, 3).Draw(t, "transactions") {
				appendRandom(t, log)
			}
			if err := stream.ReadOnce(feed); err != nil {
				t.Fatal(err)
			}
			pass := feed.NewFanOutPass(rapid.IntRange(1, 2000).Draw(t, "limit"))
			reads := rapid.IntRange(0, len(together)-1).Draw(t, "the feed grows at")
			for i := range together {
				if i == reads {
					appendRandom(t, log)
					if err := stream.ReadOnce(feed); err != nil {
						t.Fatal(err)
					}
				}
				receive(pass, i)
			}
		}
		pass := feed.NewFanOutPass(1 << 20)
		for i := range together {
			receive(pass, i)
			want, err := alone[i].Pending(nil, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[i], slices.Concat(want...)) {
				t.Fatalf("filter %d got\n%s\nwant\n%s", i, got[i], slices.Concat(want...))
			}
			if together[i].Sent() != alone[i].Sent() || !together[i].Cursor().Equal(alone[i].Cursor()) {
				t.Fatalf("filter %d: %d events up to %s in passes, %d up to %s alone", i, together[i].Sent(), together[i].Cursor(), alone[i].Sent(), alone[i].Cursor())
			}
		}
	})
}

// appendRandom commits a transaction of random events.
func appendRandom(t *rapid.T, log *streamtest.Log) {
	tx := log.Begin()
	for range rapid.IntRange(1, 3).Draw(t, "events") {
		e := stream.Event{Type: rapid.SampledFrom([]string{"a_new", "a_set", "a_set", "a_gone", "b_set", "custom"}).Draw(t, "type"), Key: "1"}
		e.Data = json.RawMessage(fmt.Sprintf(`{"n":%d,"m":%d}`, rapid.IntRange(0, 7).Draw(t, "n"), rapid.IntRange(0, 1).Draw(t, "m")))
		if e.Type == "a_set" && rapid.Bool().Draw(t, "moves") {
			e.Was = json.RawMessage(fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 7).Draw(t, "was")))
		}
		switch rapid.IntRange(0, 19).Draw(t, "readable") {
		case 0:
			e.Incomplete, e.Data, e.Was = stream.Oversized, nil, nil
		case 1:
			e = e.Lost(stream.Unreadable, "")
		}
		tx.Append(e)
	}
	tx.Commit()
}
