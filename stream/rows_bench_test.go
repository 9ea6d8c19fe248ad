package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// BenchmarkFilters serves 10 events to 10,000 subscriptions, as a fan-out pass does 50 times a second at 500 events a
// second: to plain ones, to those of a whole collection, and to those with 1,000 distinct filters (10,000 in "user"). ns/pass × 50 is the time in a second.
func BenchmarkFilters(b *testing.B) {
	set, err := collection.NewSet([]collection.Collection{{
		Name: "orders", Table: "public.orders", Key: []string{"id"}, Types: map[string]collection.Op{"order_updated": collection.OpUpdate},
		Fields: []collection.Field{
			{Name: "id", Filter: collection.Integer, Column: "id"}, {Name: "customer", Filter: collection.Integer, Column: "customer"},
			{Name: "status", Filter: collection.Text, Column: "status"}, {Name: "total", Filter: collection.Integer, Column: "total"}, {Name: "note"},
		},
	}})
	if err != nil {
		b.Fatal(err)
	}
	for name, query := range map[string]string{
		"plain": "", "collection": "collection=orders", "user": "collection=orders&where.customer={client}", "customer": "collection=orders&where.customer={filter}",
		"and": "collection=orders&where.customer={filter}&where.status=in.(open,paid)", "range": "collection=orders&where.total=gt.1000{filter}",
		"group": "collection=orders&any=(customer.eq.{filter},status.eq.lost)",
	} {
		b.Run(name, func(b *testing.B) { benchmarkFilters(b, set, query) })
	}
}

func benchmarkFilters(b *testing.B, set *collection.Set, query string) {
	tape := newTape(1, 10)
	for i := range tape.events {
		e := &tape.events[i]
		e.Type, e.Key = "order_updated", fmt.Sprint(i)
		e.Data = json.RawMessage(fmt.Sprintf(`{"id":%d,"customer":%d,"status":"open","total":%d,"note":%s}`, i, i*7, i, payload))
		if i%2 == 0 {
			e.Was = json.RawMessage(`{"status":"new"}`)
		}
	}
	f := stream.NewFeed(tape, stream.FeedOptions{Bytes: 1 << 20, Collections: set})
	if err := f.Fill(context.Background()); err != nil {
		b.Fatal(err)
	}
	subs := make([]*stream.Subscription, 10_000)
	for i := range subs {
		params, err := url.ParseQuery(strings.NewReplacer("{filter}", fmt.Sprint(i%1000), "{client}", fmt.Sprint(i)).Replace(query))
		if err != nil {
			b.Fatal(err)
		}
		filter, err := stream.ParseFilter(params, set)
		if err != nil {
			b.Fatal(err)
		}
		if filter, err = f.ShareFilter(filter.WithGrants([]string{fmt.Sprint("user:", i)})); err != nil {
			b.Fatal(err)
		}
		if subs[i], _, err = f.Subscribe(context.Background(), stream.Cursor{}, filter); err != nil {
			b.Fatal(err)
		}
	}
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.ReadOnce(f); err != nil {
			b.Fatal(err)
		}
		p := f.NewFanOutPass(1 << 18)
		for _, s := range subs {
			data, _, err := p.Pending(s)
			if err != nil {
				b.Fatal(err)
			}
			bytes += len(data)
		}
	}
	b.ReportMetric(float64(bytes)/float64(b.N)/1000, "kB/pass")
}
