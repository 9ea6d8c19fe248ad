package stream

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEncoder checks the envelopes for services, which receive the events of every audience.
func TestEncoder(t *testing.T) {
	set := shop(t)
	events := Transaction{XID: 600, Events: []Event{
		{ID: 1, Type: "order_created", Key: "17", Data: json.RawMessage(`{"id":17,"status":"open"}`), Audience: []string{}},
		{ID: 2, Type: "order_updated", Key: "17", Data: json.RawMessage(`{"id":17,"status":"paid"}`), Was: json.RawMessage(`{"status":"open"}`), Audience: []string{"a"}},
		{ID: 3, Type: "note", Key: "k", Data: json.RawMessage(`"x"`)},
		{ID: 4, Type: "table_truncated", Data: json.RawMessage(`{"table":"public.orders"}`)},
	}}
	encode := func(filter *Filter) (got []string) {
		for _, e := range NewEncoder(*filter, set).Encode(&events) {
			envelope, _, _ := strings.Cut(string(e.Envelope), `,"timestamp"`)
			line := strings.Join([]string{e.Collection, e.Key, envelope}, " ")
			if e.Loads {
				line = "loads " + line
			}
			got = append(got, line)
		}
		return got
	}
	for query, want := range map[string][]string{
		"": {
			`orders 17 {"id":1,"type":"order_created","data":{"id":17,"status":"open"},"collection":"orders","op":"insert","key":"17","xid":"600"`,
			`orders 17 {"id":2,"type":"order_updated","data":{"id":17,"status":"paid"},"collection":"orders","op":"update","key":"17","xid":"600"`,
			` k {"id":3,"type":"note","data":"x","key":"k","xid":"600"`,
			`loads orders  {"id":4,"type":"table_truncated","data":{"table":"public.orders"},"collection":"orders","op":"reset","xid":"600"`,
		},
		"types=note": {` k {"id":3,"type":"note","data":"x","key":"k","xid":"600"`},
		"collection=orders&where.status=open": {
			`orders 17 {"id":1,"type":"order_created","data":{"id":17,"status":"open"},"collection":"orders","op":"insert","key":"17","xid":"600"`,
			`orders 17 {"id":2,"type":"order_updated","collection":"orders","op":"delete","moved":true,"key":"17","xid":"600"`,
			`loads orders  {"id":4,"type":"table_truncated","data":{"table":"public.orders"},"collection":"orders","op":"reset","xid":"600"`,
		},
	} {
		if diff := cmp.Diff(want, encode(rowFilter(t, set, query))); diff != "" {
			t.Errorf("%q:\n%s", query, diff)
		}
	}
}

// An event of a row without a key makes the client load, whichever selection it belongs to.
func TestEncoderOfSelections(t *testing.T) {
	set := shop(t)
	events := Transaction{XID: 600, Events: []Event{{ID: 1, Type: "order_created", Data: json.RawMessage(`{"id":null}`)}}}
	for _, query := range []string{"q.a=collection:orders", "q.a=collection:customers&q.b=collection:orders"} {
		encoded := NewEncoder(*rowFilter(t, set, query), set).Encode(&events)
		if len(encoded) != 1 || !encoded[0].Loads {
			t.Errorf("%q: got %+v, want an event that loads", query, encoded)
		}
	}
}
