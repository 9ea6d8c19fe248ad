package stream

import (
	"encoding/json"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream/collection"
)

// shop returns two collections. Events of the table public.lines have types of the orders, too.
func shop(t testing.TB) *collection.Set {
	t.Helper()
	set, err := collection.NewSet([]collection.Collection{
		{
			Name: "orders", Table: "public.orders", Others: []string{"public.lines"}, Key: []string{"id"}, Truncated: "table_truncated",
			Types: map[string]collection.Op{"order_created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
			Fields: []collection.Field{
				{Name: "id", Filter: collection.Integer, Column: "id"},
				{Name: "status", Filter: collection.Text, Column: "status"},
				{Name: "total", Filter: collection.Integer, Column: "total", FilterSince: 500},
				{Name: "note"},
			},
		},
		{
			Name: "customers", Table: "public.customers", Key: []string{"id"}, Truncated: "table_truncated",
			Types:  map[string]collection.Op{"customer_updated": collection.OpUpdate},
			Fields: []collection.Field{{Name: "id", Filter: collection.Integer, Column: "id"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// rowFilter parses the query of a stream of collections.
func rowFilter(t testing.TB, set *collection.Set, query string, grants ...string) *Filter {
	t.Helper()
	params, err := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFilter(params, set)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	f = f.WithGrants(grants)
	return &f
}

// entryIn returns an entry of transaction 600 with one event, and what it means for the collections.
func entryIn(set *collection.Set, ev Event) *entry {
	e := &entry{xid: 600}
	e.add(&Transaction{Events: []Event{ev}})
	e.parseChanges(set)
	return e
}

// sent returns the bytes that a client gets of an entry, without the frame around the envelope.
func sent(f *Filter, e *entry) string {
	v, out := f.verdictsOf([]*entry{e}), f.newOutput(nil)
	e.appendPending(&out, 0, &v, nil, noLimit)
	var b strings.Builder
	for _, buf := range out.finish() {
		b.Write(buf)
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), "data: "), "\n\n")
}

// TestEnvelopes covers the table of four cases, for filters and audiences, and every form of an envelope.
func TestEnvelopes(t *testing.T) {
	const (
		open   = `{"id":7,"status":"open","total":50,"note":"x"}`
		paid   = `{"id":7,"status":"paid","total":50,"note":"x"}`
		begin  = `{"id":1,"type":"order_updated",`
		end    = `,"key":"7","xid":"600","timestamp":9}`
		orders = `,"collection":"orders",`
	)
	set := shop(t)
	event := func(of, data string) Event {
		return Event{ID: 1, Type: "order_" + of, Key: "7", Data: json.RawMessage(data), At: time.UnixMilli(9)}
	}
	updated := func(data, was string) Event {
		e := event("updated", data)
		if was != "" {
			e.Was = json.RawMessage(was)
		}
		return e
	}
	heard := func(e Event, audience, was []string) Event {
		e.Audience, e.AudienceWas = audience, was
		return e
	}
	oversized := func(e Event, key string) Event {
		e.Data, e.Was, e.Incomplete, e.Key = nil, nil, Oversized, key
		return e
	}
	a, b, all := []string{"a"}, []string{"b"}, []string{Everyone}
	const isOpen = "collection=orders&where.status=open"
	const both = "q.open=collection:orders;where.status=open&q.paid=collection:orders;where.status=paid&q.c=collection:customers"
	for name, test := range map[string]struct {
		query string
		event Event
		want  string
	}{
		"insert":                  {isOpen, event("created", open), `{"id":1,"type":"order_created","data":` + open + orders + `"op":"insert"` + end},
		"insert elsewhere":        {isOpen, event("created", paid), ``},
		"update":                  {isOpen, updated(open, ""), begin + `"data":` + open + orders + `"op":"update"` + end},
		"update of another field": {isOpen, updated(open, `{"total":1}`), begin + `"data":` + open + orders + `"op":"update"` + end},
		"enters":                  {isOpen, updated(open, `{"status":"new"}`), begin + `"data":` + open + orders + `"op":"insert","moved":true` + end},
		"leaves":                  {isOpen, updated(paid, `{"status":"open"}`), begin + `"collection":"orders","op":"delete","moved":true` + end},
		"update elsewhere":        {isOpen, updated(paid, `{"status":"new"}`), ``},
		"delete":                  {isOpen, event("deleted", open), `{"id":1,"type":"order_deleted","data":` + open + orders + `"op":"delete"` + end},
		"delete of a part": {isOpen, Event{ID: 1, Type: "order_deleted", Key: "7", Data: json.RawMessage(`{"id":7}`), Was: json.RawMessage(`{"status":"open"}`), At: time.UnixMilli(9)},
			`{"id":1,"type":"order_deleted","data":{"id":7}` + orders + `"op":"delete"` + end},
		"delete of a part elsewhere": {isOpen, Event{ID: 1, Type: "order_deleted", Key: "7", Data: json.RawMessage(`{"id":7}`), Was: json.RawMessage(`{"status":"paid"}`), At: time.UnixMilli(9)}, ``},
		"delete elsewhere":           {isOpen, event("deleted", paid), ``},
		"every row":                  {"collection=orders", updated(paid, `{"status":"open"}`), begin + `"data":` + paid + orders + `"op":"update"` + end},
		"another collection":         {"collection=customers", updated(paid, ``), ``},
		"a key":                      {"collection=orders&key=7", updated(paid, ``), begin + `"data":` + paid + orders + `"op":"update"` + end},
		"another key":                {"collection=orders&key=8", updated(paid, ``), ``},

		"audience, heard":     {isOpen, heard(updated(open, ""), a, nil), begin + `"data":` + open + orders + `"op":"update"` + end},
		"audience, not heard": {isOpen, heard(updated(open, ""), b, nil), ``},
		"audience enters":     {isOpen, heard(updated(open, ""), a, b), begin + `"data":` + open + orders + `"op":"insert","moved":true` + end},
		"audience leaves":     {isOpen, heard(updated(open, ""), b, a), begin + `"collection":"orders","op":"delete","moved":true` + end},
		"hidden from all":     {isOpen, heard(updated(open, ""), []string{}, all), begin + `"collection":"orders","op":"delete","moved":true` + end},
		"shown to all":        {isOpen, heard(updated(open, ""), nil, []string{}), begin + `"data":` + open + orders + `"op":"insert","moved":true` + end},
		"leaves both":         {isOpen, heard(updated(paid, `{"status":"open"}`), b, a), begin + `"collection":"orders","op":"delete","moved":true` + end},
		"leaves for others":   {isOpen, heard(updated(paid, `{"status":"open"}`), b, b), ``},
		"enters too late":     {isOpen, heard(updated(open, `{"status":"new"}`), b, a), ``},
		"insert, not heard":   {isOpen, heard(event("created", open), b, nil), ``},
		"delete, not heard":   {isOpen, heard(event("deleted", open), b, nil), ``},

		"oversized":          {isOpen, oversized(updated("", ""), "7"), begin + `"key":"7","oversized":true` + orders + `"op":"update","xid":"600","timestamp":9}`},
		"oversized, leaves":  {isOpen, heard(oversized(updated("", ""), "7"), b, a), begin + `"collection":"orders","op":"delete","moved":true` + end},
		"oversized, no key":  {isOpen, oversized(updated("", ""), ""), begin + `"collection":"orders","op":"reset","xid":"600","timestamp":9}`},
		"oversized, unheard": {isOpen, heard(oversized(updated("", ""), ""), b, nil), ``},
		"a very long key": {isOpen, Event{ID: 1, Type: "order_updated", Key: strings.Repeat("k", maxRowKey+1), Data: json.RawMessage(open), At: time.UnixMilli(9)},
			begin + `"collection":"orders","op":"reset","xid":"600","timestamp":9}`},

		"several, one":    {both, event("created", paid), `{"id":1,"type":"order_created","data":` + paid + orders + `"q":["paid"],"op":"insert"` + end},
		"several, differ": {both, updated(paid, `{"status":"open"}`), begin + `"data":` + paid + orders + `"q":["open","paid"],"ops":{"open":{"op":"delete","moved":true},"paid":{"op":"insert","moved":true}}` + end},
		"several, alike":  {"q.a=collection:orders&q.b=collection:orders", updated(paid, ``), begin + `"data":` + paid + orders + `"q":["a","b"],"op":"update"` + end},
		"several, unheard": {both, heard(updated(paid, `{"status":"open"}`), b, a),
			begin + `"collection":"orders","q":["open"],"op":"delete","moved":true` + end},
		"several, oversized": {both, oversized(updated("", ""), "7"),
			begin + `"key":"7","oversized":true` + orders + `"q":["open","paid"],"op":"update","xid":"600","timestamp":9}`},
	} {
		e := entryIn(set, test.event)
		if got := sent(rowFilter(t, set, test.query, "a"), e); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// TestEnvelopesOfResets covers what asks clients to load a collection again, whatever they select of it.
func TestEnvelopesOfResets(t *testing.T) {
	set := shop(t)
	const both = "q.o=collection:orders;where.status=open&q.c=collection:customers"
	for name, test := range map[string]struct {
		query, eventType, data string
		want                   string // the members, empty if the client gets nothing
	}{
		"truncate":                {"collection=orders&where.status=open&key=9", "table_truncated", `{"table":"public.orders"}`, `"collection":"orders","op":"reset"`},
		"of a partition":          {"collection=orders", "table_truncated", `{"table":"public.orders","partition":"public.o1"}`, `"collection":"orders","op":"reset"`},
		"of another table":        {"collection=orders", "table_truncated", `{"table":"public.customers"}`, ``},
		"of a table that it uses": {"collection=orders", "table_truncated", `{"table":"public.lines"}`, `"collection":"orders","op":"reset"`},
		"of no collection":        {"collection=orders", "table_truncated", `{"table":"public.audit"}`, ``},
		"collection_reset":        {"collection=orders&key=9", "collection_reset", `{"table":"public.orders","reason":"triggers"}`, `"collection":"orders","op":"reset"`},
		"of a key":                {"collection=orders", "collection_reset", `{"table":"public.orders","key":"7","reason":"expression"}`, `"collection":"orders","op":"reset"`},
		"of a type":               {"collection=orders", "collection_reset", `{"type":"order_deleted","reason":"unreadable"}`, `"collection":"orders","op":"reset"`},
		"of another type":         {"collection=orders", "collection_reset", `{"type":"customer_updated","reason":"unreadable"}`, ``},
		"of a custom type":        {"collection=orders", "collection_reset", `{"type":"call","reason":"unreadable"}`, ``},
		"of some truncate":        {"collection=orders", "collection_reset", `{"type":"table_truncated","reason":"unreadable"}`, `"op":"reset"`},
		"of anything":             {"collection=orders", "collection_reset", `{"reason":"unreadable"}`, `"op":"reset"`},
		"not an object":           {"collection=orders", "collection_reset", `1`, `"op":"reset"`},
		"several":                 {both, "collection_reset", `{"table":"public.customers"}`, `"collection":"customers","q":["c"],"op":"reset"`},
		"several, of anything":    {both, "collection_reset", `{"reason":"unreadable"}`, `"q":["c","o"],"op":"reset"`},
		"a custom event":          {both, "call", `{"table":"public.orders"}`, ``},
	} {
		e := entryIn(set, Event{ID: 1, Type: test.eventType, Data: json.RawMessage(test.data), At: time.UnixMilli(9)})
		want := ""
		if test.want != "" {
			want = `{"id":1,"type":"` + test.eventType + `","data":` + test.data + `,` + test.want + `,"xid":"600","timestamp":9}`
		}
		if got := sent(rowFilter(t, set, test.query), e); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// An update from before a field was a filter field may have moved the row, whatever its was says of other fields.
func TestEnvelopeOfAnUpdateBeforeTheFilterField(t *testing.T) {
	set := shop(t)
	for xid, want := range map[uint64]string{499: "delete", 500: ""} {
		e := &entry{xid: xid}
		e.add(&Transaction{Events: []Event{{Type: "order_updated", Key: "7", Data: json.RawMessage(`{"id":7,"status":"open","total":50}`)}}})
		e.parseChanges(set)
		var got struct{ Op string }
		_ = json.Unmarshal([]byte(sent(rowFilter(t, set, "collection=orders&where.total=gt.100"), e)), &got)
		if got.Op != want {
			t.Errorf("transaction %d: op %q, want %q", xid, got.Op, want)
		}
	}
}

// After a newer spec has taken filter fields from a collection, updates say nothing of their former values. A server that
// serves them still counts every row as matched before.
func TestEnvelopeOfAnUpdateAfterANewerSpec(t *testing.T) {
	set := shop(t)
	f := NewFeed(nil, FeedOptions{Collections: set})
	for _, data := range []string{`{"table":"public.customers","reason":"spec"}`, `{"table":"public.orders","reason":"triggers"}`, `{"table":"public.orders","reason":"spec"}`} {
		id := int64(len(data))
		f.observe(&Event{ID: id, Type: TypeCollectionReset, Data: json.RawMessage(data)})
	}
	since := int64(len(`{"table":"public.orders","reason":"spec"}`))
	for id, want := range map[int64]string{since - 1: "", since + 1: "delete"} {
		e := entryIn(set, Event{ID: id, Type: "order_updated", Key: "7", Data: json.RawMessage(`{"id":7,"status":"closed","total":50}`)})
		var got struct{ Op string }
		_ = json.Unmarshal([]byte(sent(rowFilter(t, set, "collection=orders&where.status=open"), e)), &got)
		if got.Op != want {
			t.Errorf("event %d: op %q, want %q", id, got.Op, want)
		}
	}
}

// TestChangeSize compares what parsed changes are counted as with what the runtime allocates for them.
func TestChangeSize(t *testing.T) {
	set := shop(t)
	entries := make([]*entry, 20_000)
	for i := range entries {
		ev := Event{ID: 1, Type: "order_updated", Key: "7", Data: json.RawMessage(`{"id":7,"status":"open for a while","total":50,"note":"x"}`), At: time.UnixMilli(9)}
		if i%2 == 0 {
			ev.Was = json.RawMessage(`{"status":"new for a while"}`)
		}
		entries[i] = &entry{xid: 600}
		entries[i].add(&Transaction{Events: []Event{ev}})
	}
	before, counted := heapInUse(), int64(0)
	for _, e := range entries {
		e.parseChanges(set)
		counted += e.changeSpace
	}
	took := heapInUse() - before
	if share := float64(counted) / float64(took); share < 0.8 || share > 1.2 {
		t.Errorf("counted %d bytes, allocated %d: a share of %.2f, want 0.8 to 1.2", counted, took, share)
	}
	runtime.KeepAlive(entries)
}
