package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// newShop serves streams of two collections.
func newShop(t *testing.T, feed stream.FeedOptions, features ...api.Option) *streamServer {
	t.Helper()
	return newShopOn(t, streamtest.NewLog("k3f9"), feed, features...)
}

func newShopOn(t *testing.T, log *streamtest.Log, feed stream.FeedOptions, features ...api.Option) *streamServer {
	t.Helper()
	set, err := collection.NewSet([]collection.Collection{
		{
			Name: "orders", Table: "public.orders", Key: []string{"id"}, Truncated: "table_truncated",
			Types: map[string]collection.Op{"order_created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
			Fields: []collection.Field{
				{Name: "id", Filter: collection.Integer, Column: "id"}, {Name: "status", Filter: collection.Text, Column: "status"}, {Name: "note"},
			},
		},
		{Name: "customers", Table: "public.customers", Key: []string{"id"}, Types: map[string]collection.Op{"customer_created": collection.OpInsert}},
	})
	if err != nil {
		t.Fatal(err)
	}
	feed.Collections = set
	return newStreamServerOn(t, log, streamServerOptions{feed: feed, api: func(o *apiOptions) {
		o.Config.Collections = set
		o.add(features...)
	}})
}

// order is an event about an order. was is its status before an update, empty if that did not change.
func order(kind, key, status, was string) stream.Event {
	e := stream.Event{Type: "order_" + kind, Key: key, Data: json.RawMessage(`{"id":` + key + `,"status":"` + status + `","note":"a;b"}`)}
	if was != "" {
		e.Was = json.RawMessage(`{"status":"` + was + `"}`)
	}
	return e
}

func (s *streamServer) commitEvents(events ...stream.Event) {
	tx := s.log.Begin()
	for _, e := range events {
		tx.Append(e)
	}
	tx.Commit()
}

// commitShop commits what moves orders into and out of filters and audiences.
func (s *streamServer) commitShop() {
	heard := func(e stream.Event, audience, was string) stream.Event {
		e.Audience, e.AudienceWas = []string{audience}, []string{was}
		return e
	}
	large := order("updated", "3", "", "")
	large.Data, large.Incomplete = nil, stream.Oversized
	s.commitEvents(order("created", "1", "open", ""), order("created", "2", "paid", ""))
	s.commitEvents(order("updated", "1", "open", ""), stream.Event{Type: "customer_created", Key: "9", Data: json.RawMessage(`{"id":9}`)})
	s.commitEvents(order("updated", "1", "paid", "open"), order("updated", "2", "open", "paid"))
	s.commitEvents(heard(order("updated", "2", "open", ""), "user:eve", "role:nurse"), large)
	s.commitEvents(heard(order("updated", "2", "open", ""), "role:nurse", "user:eve"))
	s.commitEvents(order("deleted", "2", "open", ""), order("deleted", "1", "paid", ""))
	s.commitEvents(stream.Event{Type: "table_truncated", Data: json.RawMessage(`{"table":"public.orders"}`)})
	s.commitEvents(stream.Event{ID: 1, Type: "order_updated"}.Lost(stream.Unreadable, "22P05"), stream.Event{}.Lost(stream.AudienceTooLarge, ""))
	s.wakeFeed()
}

// TestBytesOfCollections has the same bytes for the same events live, resumed from memory, and resumed from the log, in
// whole transactions and in parts.
func TestBytesOfCollections(t *testing.T) {
	queries := map[string]string{
		"":         "?collection=orders&where.status=eq.open",
		"_several": "?q.open=collection:orders;where.status=in.(open)&q.paid=collection:orders;where.status=paid&q.all=collection:customers",
		"_key":     "?collection=orders&key=2",
		"_events":  "?q.open=collection:orders;where.status=open&q.one=collection:orders;key=1&q.new=events;types=order_created,customer_created&q.two=events;key=2;where.status=open",
		"_only":    "?q.new=events;types=order_created,customer_created&q.all=events",
	}
	const last = `"audience_too_large"`
	for name, query := range queries {
		t.Run("orders"+name, func(t *testing.T) {
			s := newShop(t, stream.FeedOptions{}, api.Auth{Authenticator: fourUsers()})
			live := s.openSynced(query, "Test-User", "ann")
			from := idOf(live.received.String())
			head := live.received.Len()
			s.commitShop()
			live.readUntil(last)
			golden(t, "collection"+name, live.received.String()[head:])
			for source, parts := range map[string]int{"memory": 0, "log": 1000, "parts of the log": 1} {
				other := s
				if parts > 0 {
					other = newShopOn(t, s.log, stream.FeedOptions{Bytes: 1, Fill: 1}, api.Auth{Authenticator: fourUsers()})
					s.log.PartSize = parts
				}
				l := other.openSynced(query+"&since="+from, "Test-User", "ann")
				head := l.received.Len()
				l.readUntil(last)
				golden(t, "collection"+name, l.received.String()[head:])
				if parts > 0 && other.feed.Stats().CatchUps == 0 {
					t.Errorf("%s: the client did not read the log", source)
				}
			}
		})
	}
}

// A client that conflates gets the newest event of each row for each selection, and every reset.
func TestBytesOfConflatedCollections(t *testing.T) {
	s := newShop(t, stream.FeedOptions{}, api.Auth{Authenticator: fourUsers()})
	all := s.openSynced("?collection=orders", "Test-User", "ann")
	from := idOf(all.received.String())
	s.commitShop()
	all.readUntil(`"audience_too_large"`)
	const several = "q.open=collection:orders;where.status=open&q.paid=collection:orders;where.status=paid"
	for name, query := range map[string]string{"conflated": "?conflate=1&collection=orders&where.status=open", "batch": "?batch=10ms&" + several, "both": "?batch=10ms&conflate=1&" + several,
		"and_events": "?conflate=1&q.paid=collection:orders;where.status=paid&q.all=events&q.two=events;key=2"} {
		l := s.openSynced(query+"&since="+from, "Test-User", "ann")
		l.readUntil(`"audience_too_large"`)
		l.matchesGolden("collection_" + name)
	}
}

// TestInvalidSelections covers what a client can get wrong about collections.
func TestInvalidSelections(t *testing.T) {
	s := newShop(t, stream.FeedOptions{})
	const where = "where.status"
	for query, text := range map[string]string{
		"collection=order":                                               `collection is "order", which is unknown: the collections are customers, orders`,
		"collection=":                                                    "the collections are customers, orders",
		"collection=orders&collection=customers":                         "collection is given 2 times: give each collection as q.NAME",
		"collection=orders&types=order_created":                          "types cannot be combined with collections",
		"collection=orders&where.note=a":                                 `names "note", by which clients cannot filter: the filter fields of orders are id, status`,
		"collection=orders&where.status=like.a":                          "like",
		"collection=orders&where.id=gt.x":                                "where.id",
		"collection=orders&any=(status.eq.open":                          "any must have",
		"collection=orders&any=status.eq.open":                           "any must have a group",
		"collection=orders&q.a=collection:orders":                        "q.a cannot be combined with collection=",
		"collection=orders&key=":                                         "key is empty",
		"collection=customers&where.id=1":                                "has none that clients may filter by",
		"q.a=orders":                                                     "q.a must begin with the collection",
		"q.a=":                                                           "q.a must begin with the collection",
		"q.a=collection:order":                                           `q.a is "order", which is unknown`,
		"q.a=collection:orders;x=1":                                      `q.a has "x": after the collection`,
		"q.a=collection:orders;where.status=%2525z":                      "",
		"q.a=collection:orders;where.status=%25zz":                       "q.a has a bad percent encoding",
		"q.a=collection:orders;where.total=1":                            `q.a has where.total, which names "total"`,
		"q.a=collection:orders&q.a=collection:orders":                    "q.a is given 2 times",
		"q.a b=collection:orders":                                        "has a bad name",
		"q.=collection:orders":                                           "has a bad name",
		"q." + strings.Repeat("a", 33) + "=collection:orders":            "has a bad name",
		"q.a=collection:orders&where.status=open":                        "where.status belongs into a selection",
		"q.a=collection:orders&any=(status.eq.open)":                     "any belongs into a selection",
		"q.a=collection:orders&types=a":                                  "types cannot be combined with selections: give it in one of them",
		"q.a=events:":                                                    "q.a must begin with the collection",
		"q.a=events;types=":                                              "q.a has types, which has an empty type",
		"q.a=events;key=":                                                "q.a has key, which is empty",
		"q.a=events;any=(status.eq.open)":                                `q.a has "any": after events, separated by semicolons, come types=TYPE,TYPE, key=KEY and where.FIELD=VALUE`,
		"q.a=events;where.status=in.(a,b)":                               "q.a has where.status, which has an operator",
		"q.a=events;where.s=%25zz":                                       "q.a has a bad percent encoding",
		"q.a=events;where.s=" + strings.Repeat("x", 1001):                "has a value of 1001 bytes",
		"q.a=events;types=" + strings.Repeat("a,", 64) + "b":             "has 65 values",
		"q.a=collection:orders;types=a":                                  `q.a has "types": after the collection, separated by semicolons, come where.FIELD=VALUE, any=(…) and key=KEY`,
		"q.a=collection:orders;key=":                                     "q.a has key, which is empty",
		"q.a=events&collection=orders":                                   "q.a cannot be combined with collection=",
		manySelections(16) + "&q.events=events":                          "a stream has at most 16 selections",
		"q.a=events&q.b=events;where.status=" + largeValues():            "at most 16384 bytes",
		"q.a=events;where.status=%253B;key=7;types=a,b&key=7":            "",
		where + "=in.(a,b)":                                              "has an operator, which only the filter fields of a collection have: add collection=NAME",
		where + "=not.eq.a":                                              "add collection=NAME",
		"any=(status.eq.open)":                                           "any is for collections: add collection=NAME",
		"collection=orders&where.status=" + strings.Repeat("x", 17_000):  "at most",
		manySelections(17):                                               "a stream has at most 16 selections",
		manySelections(16) + ";where.status=" + strings.Repeat("x", 990): "",
	} {
		query = strings.ReplaceAll(query, " ", "%20")
		if text == "" {
			s.openSynced("?" + query).disconnect()
			continue
		}
		s.expectProblem(http.StatusBadRequest, text, http.MethodGet, "/api/events?"+query)
	}
}

// largeValues returns 20 values of a condition, which together are more than a filter may have.
func largeValues() string {
	values := make([]string, 20)
	for i := range values {
		values[i] = strings.Repeat("x", 900+i)
	}
	return strings.Join(values, ";where.status=")
}

func manySelections(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "q." + strings.Repeat("a", i+1) + "=collection:orders"
	}
	return strings.Join(names, "&")
}

// A server without collections says so.
func TestNoCollections(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.expectProblem(http.StatusBadRequest, "this server has no collections", http.MethodGet, "/api/events?collection=orders")
}

// Several selections with the largest filters are refused or share memory; they are never without a limit.
func TestSelectionsAreBounded(t *testing.T) {
	s := newShop(t, stream.FeedOptions{FilterBytes: 64 << 10})
	var open []*streamClient
	refused := false
	for i := range 40 {
		values := make([]string, 60)
		for n := range values {
			values[n] = strings.Repeat(string(rune('a'+i%26)), 150) + string(rune('a'+n%26)) + strings.Repeat("z", n+i/26)
		}
		filter := "?collection=orders&where.status=in.(" + strings.Join(values, ",") + ")"
		if i%2 == 1 {
			filter = "?q.a=events;where.status=" + strings.Join(values, ";where.status=")
		}
		l := s.open(filter)
		if l.response.StatusCode == http.StatusServiceUnavailable {
			refused = true
			break
		}
		open = append(open, l)
	}
	if !refused {
		t.Errorf("%d different filters of 10 kB were accepted with a limit of 64 KiB: %d bytes held", len(open), s.feed.Stats().FilterBytes)
	}
}
