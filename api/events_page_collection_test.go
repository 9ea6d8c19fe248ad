package api_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// orders returns a set with one collection.
func orders(t *testing.T) *collection.Set {
	t.Helper()
	set, err := collection.NewSet([]collection.Collection{{
		Name: "orders", Table: "public.orders", Key: []string{"id"},
		Types:  map[string]collection.Op{"order_created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
		Fields: []collection.Field{{Name: "id", Type: "bigint", JSONType: "bigint"}, {Name: "status", Type: "text", JSONType: "text", Filter: collection.Text, Column: "status"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Pages of a collection have the stream's envelopes, with moves into and out of the filter.
func TestPagesOfCollections(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			set := orders(t)
			feed.Collections = set
			s := newStreamServer(t, streamServerOptions{feed: feed, api: func(o *apiOptions) { o.Collections = set }})
			start := s.page("").Cursor
			written := writeOrders(s, rand.New(rand.NewPCG(7, 7)))
			s.awaitFeed(written)
			for _, query := range []string{
				"&collection=orders", "&collection=orders&where.status=open", "&collection=orders&where.status=in.(paid,open)&key=k1", "&collection=orders&where.status=open&conflate=1",
				"&q.a=collection:orders;where.status=open&q.b=collection:orders;where.status=neq.open",
			} {
				want := streamedEnvelopes(s.open("?since="+start+query), s, query)
				max := 1000
				if !strings.Contains(query, "conflate") {
					max = 3
				}
				if diff := cmp.Diff(want, pagedEnvelopes(s, fmt.Sprintf("%s&max=%d", query, max), start, max)); diff != "" {
					t.Errorf("%s (- stream, + pages):\n%s", query, diff)
				}
				if len(want) == 0 || !strings.Contains(want[0], `"op":"`) {
					t.Errorf("%s: %q", query, want)
				}
			}
			s.wantStatus(400, "collection", "GET", "?collection=none&since="+start)
		})
	}
}

// writeOrders writes orders whose status changes, and at last one that is open. It returns the number of events.
func writeOrders(s *streamServer, r *rand.Rand) (events uint64) {
	status := map[int]string{}
	write := func(id int, now string) {
		tx := s.log.Begin()
		e := stream.Event{Type: "order_updated", Key: fmt.Sprint("k", id), Data: fmt.Appendf(nil, `{"id":%d,"status":"%s"}`, id, now)}
		switch was := status[id]; {
		case was == "":
			e.Type = "order_created"
		case was != now:
			e.Was = fmt.Appendf(nil, `{"status":"%s"}`, was)
		}
		status[id] = now
		tx.Append(e)
		tx.Commit()
		events++
	}
	for range 60 {
		write(r.IntN(4), []string{"open", "paid", "shipped"}[r.IntN(3)])
	}
	write(1, "open")
	s.wakeFeed()
	return events
}
