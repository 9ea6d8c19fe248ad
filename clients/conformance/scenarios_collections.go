package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// described is the answer of /api/collections.
const described = `{"collections":[{"name":"orders","table":"public.orders","key":["id"],"types":["order_updated"],` +
	`"fields":[{"name":"id","type":"bigint","nullable":false},{"name":"status","type":"text","nullable":true}],` +
	`"filter":[{"name":"id","kind":"integer","operators":["eq","neq","in","is.null","gt","gte","lt","lte"]},{"name":"status","kind":"text","operators":["eq","neq","in","is.null"]}]}]}`

// openOrders is how the collections are opened.
var openOrders = Start{Open: "collection", Collection: "orders", Where: map[string]string{"status": "open"}}

// allOrders is the same without a filter.
var allOrders = Start{Open: "collection", Collection: "orders"}

// order returns a row.
func order(key, status string) string { return fmt.Sprintf(`{"id":%s,"status":%q}`, key, status) }

// put returns the members of an event with a row.
func put(op, key, status string) string {
	return fmt.Sprintf(`"data":%s,"collection":"orders","op":%q,"key":%q`, order(key, status), op, key)
}

// moved marks the members of an event.
func moved(members string) string { return members + `,"moved":true` }

// gone returns the members of a delete without data.
func gone(key string) string {
	return fmt.Sprintf(`"collection":"orders","op":"delete","key":%q`, key)
}

// page returns a page of a list. Its snapshot has the transactions below 1000, or below 2000 if it is that of a reload.
func page(cursor, next string, keys ...string) string {
	return pageAt(1000, cursor, next, keys...)
}

func pageAt(xid int, cursor, next string, keys ...string) string {
	var rows, quoted []string
	for _, key := range keys {
		rows = append(rows, order(key, "open"))
		quoted = append(quoted, `"`+key+`"`)
	}
	return fmt.Sprintf(`{"rows":[%s],"keys":[%s],"cursor":%q,"snapshot":"%d:%[4]d:","next":%[5]s}`,
		strings.Join(rows, ","), strings.Join(quoted, ","), cursor, xid, next)
}

// lists answers with these pages, one after the other, and with rows by their path.
func lists(rows map[string]string, pages ...string) func(*Exchange) {
	return func(e *Exchange) {
		switch path := e.path(); {
		case path == "collections":
			e.JSON(described)
		case path == "collections/orders":
			n := e.count("pages")
			if n >= len(pages) {
				e.fail("it requested the list once more than it should: %s", e.r.URL.RawQuery)
				e.Refuse(http.StatusGone)
				return
			}
			e.JSON(pages[n])
		case rows[path] != "":
			e.JSON(rows[path])
		default:
			e.Refuse(http.StatusNotFound)
		}
	}
}

// filtered checks the filter of a stream or a list of openOrders.
func (e *Exchange) filtered() *Exchange {
	query := e.r.URL.Query()
	where := query["where.status"]
	for _, part := range strings.Split(query.Get("q."+e.q), ";") {
		if condition, ok := strings.CutPrefix(part, "where.status="); ok {
			where = append(where, condition)
		}
	}
	if !slices.Equal(where, []string{"eq.open"}) && !slices.Equal(where, []string{"open"}) {
		e.fail("it requested %s with where.status=%q", e.path(), where)
	}
	return e
}

// states builds Scenario.Rows: each is a list of KEY or KEY=STATUS.
func states(texts ...string) []map[string]string {
	var all []map[string]string
	for _, text := range texts {
		state := make(map[string]string)
		for _, item := range strings.Fields(text) {
			key, status, ok := strings.Cut(item, "=")
			if !ok {
				status = "open"
			}
			state[key] = order(key, status)
		}
		all = append(all, state)
	}
	return all
}

// collectionScenarios test collections: the list, its stream, and what makes a client load again.
func collectionScenarios() []Scenario {
	return append(reloadScenarios(),
		Scenario{
			Name: "collection", Rule: "a collection is its list, and then what the stream since the list's first cursor changes",
			Start: openOrders,
			Rows:  states("1 2 3", "1 2 3 4", "1 2=open 3 4", "2 3 4", "2 3 4 9"),
			Other: func(e *Exchange) {
				if e.path() == "collections/orders" {
					e.filtered()
				}
				lists(nil, page("p1", `"more"`, "1", "2"), page("p2", "null", "3"))(e)
			},
			Stream: []Step{func(e *Exchange) {
				e.filtered().After("p1").Send(resumed("p1") + withID("c1", row(1, put("insert", "4", "open"))))
				e.Send(withID("c2", row(2, put("update", "2", "open"))) + withID("c3", row(3, gone("1"))))
				e.Send(withID("c4", row(4, put("insert", "9", "open")))).Hold()
			}},
		},
		Scenario{
			Name: "moves", Rule: "a row that comes to match is put, one that no longer does is removed, known or not",
			Start: openOrders,
			Rows:  states("1 2", "2", "2 7", "2 3 7", "2 3 7 9"),
			Other: lists(nil, page("p1", "null", "1", "2")),
			Stream: []Step{func(e *Exchange) {
				e.After("p1").Send(resumed("p1") + withID("c1", row(1, moved(gone("1")))))
				e.Send(withID("c2", row(2, moved(put("insert", "7", "open")))) + withID("c3", row(3, moved(gone("8")))))
				e.Send(withID("c4", row(4, put("update", "3", "open"))) + withID("c5", row(5, put("insert", "9", "open")))).Hold()
			}},
		},
		Scenario{
			Name: "whole-transactions", Rule: "rows show whole transactions only, also one that was cut",
			Start: openOrders,
			Rows:  states("1", "1 2", "2 3 4", "2 3 4 9"),
			Other: lists(nil, page("p1", "null", "1")),
			Stream: []Step{
				func(e *Exchange) {
					e.Send(resumed("p1") + row(11, put("insert", "3", "open")) + row(12, gone("1"))).Abort()
				},
				func(e *Exchange) {
					e.After("p1").Send(resumed("p1") + withID("c1", row(10, put("insert", "2", "open"))))
					e.Send(row(11, put("insert", "3", "open")) + row(12, gone("1")) + withID("c2", row(13, put("insert", "4", "open"))))
					e.Send(withID("c3", row(14, put("insert", "9", "open")))).Hold()
				},
			},
		},
		Scenario{
			Name: "members-that-are-no-fields", Rule: "of an event's data, only the fields of the collection are the row",
			Start: allOrders,
			Rows:  states("1", "1 9"),
			Other: lists(nil, page("p1", "null", "1")),
			Stream: []Step{func(e *Exchange) {
				data := `"data":{"id":9,"before":{"status":"new"},"status":"open","more":[1]},"collection":"orders","op":"insert","key":"9"`
				e.Send(resumed("p1") + withID("c1", row(1, data))).Hold()
			}},
		},
		Scenario{
			Name: "event-without-data", Rule: "the row of an oversized event is loaded, perhaps while other events go on, unless the event is a delete",
			Start: allOrders,
			Rows:  states("1 2", "2", "2=big", "2 9", "2=big 9"),
			Other: lists(map[string]string{"collections/orders/2": order("2", "big")}, page("p1", "null", "1", "2")),
			Stream: []Step{func(e *Exchange) {
				e.Send(resumed("p1") + withID("c1", row(1, gone("1")+`,"oversized":true`)))
				e.Send(withID("c2", row(2, `"collection":"orders","op":"update","key":"2","oversized":true`)))
				e.Send(withID("c3", row(3, put("insert", "9", "open")))).Hold()
			}},
		},
		Scenario{
			Name: "filtered-event-without-data", Rule: "the row of an oversized event is requested with the filter",
			Start: openOrders,
			Rows:  states("1 2", "1", "1 2 9", "1 9"),
			Other: func(e *Exchange) {
				if e.path() == "collections/orders" {
					e.filtered()
				}
				// Order 2 no longer matches: the request by its key alone would find it.
				lists(map[string]string{"collections/orders/2": order("2", "closed")}, page("p1", "null", "1", "2"), pageAt(2000, "p2", "null"))(e)
			},
			Stream: []Step{func(e *Exchange) {
				e.Send(resumed("p1") + withID("c1", row(1, `"collection":"orders","op":"update","key":"2","oversized":true`)))
				e.Send(withID("c2", row(2, put("insert", "9", "open")))).Hold()
			}},
		},
		Scenario{
			Name: "row-without-data", Rule: "a row that is too large for a list is loaded by its key",
			Start: allOrders,
			Rows:  states("1=big 2", "1=big 2 9"),
			Other: lists(map[string]string{"collections/orders/1": order("1", "big")},
				`{"rows":[null,`+order("2", "open")+`],"keys":["1","2"],"oversized":["1"],"cursor":"p1","snapshot":"1000:1000:","next":null}`),
			Stream: []Step{func(e *Exchange) {
				e.Send(resumed("p1") + withID("c1", row(1, put("insert", "9", "open")))).Hold()
			}},
		},
		Scenario{
			Name: "key-that-no-path-has", Rule: "a row whose key a path cannot have, such as .., is loaded with ?key=",
			Start: allOrders,
			Rows:  []map[string]string{{"..": order(`".."`, "big"), "": order(`""`, "big"), "a/b": order(`"a/b"`, "open")}},
			Other: lists(map[string]string{"collections/orders/..": order(`".."`, "big"), "collections/orders/": order(`""`, "big")},
				`{"rows":[null,null,`+order(`"a/b"`, "open")+`],"keys":["..","","a/b"],"oversized":["..",""],"cursor":"p1","snapshot":"1000:1000:","next":null}`),
			Stream: []Step{func(e *Exchange) { e.Send(resumed("p1")).Hold() }},
		},
	)
}

// reloadScenarios test what makes a client load the rows again.
func reloadScenarios() []Scenario {
	all := []Scenario{
		{
			Name: "list-busy", Rule: "a list that is refused for now is requested again",
			Start: openOrders,
			Rows:  states("1"),
			Other: func(e *Exchange) {
				if e.path() == "collections/orders" && e.count("busy") == 0 {
					e.Refuse(http.StatusServiceUnavailable, "Retry-After", "1")
					return
				}
				lists(nil, page("p1", "null", "1"))(e)
			},
			Stream: []Step{func(e *Exchange) { e.Hold() }},
		},
		{
			Name: "list-token-rejected", Rule: "a list is requested again with another token after a 401",
			Start: Start{Open: "collection", Collection: "orders", Tokens: true},
			Rows:  states("1"),
			Other: func(e *Exchange) {
				if e.path() == "collections/orders" && e.count("rejected") == 0 {
					e.Refuse(http.StatusUnauthorized)
					return
				}
				lists(nil, page("p1", "null", "1"))(e)
			},
			Stream: []Step{func(e *Exchange) { e.Hold() }},
		},
		{
			Name: "row-reset", Rule: "a reset with a key concerns one row",
			Start: allOrders,
			Rows:  states("1 2", "1 2=new", "1 2 9", "1 2=new 9"),
			Other: lists(map[string]string{"collections/orders/2": order("2", "new")}, page("p1", "null", "1", "2")),
			Stream: []Step{func(e *Exchange) {
				e.Send(resumed("p1") + withID("c1", row(1, `"data":{"table":"public.orders","reason":"expression","key":"2"},"collection":"orders","op":"reset"`)))
				e.Send(withID("c2", row(2, put("insert", "9", "open")))).Hold()
			}},
		},
	}
	for name, frame := range map[string]string{
		"reload-after-truncate":        withID("c1", row(1, `"data":{"table":"public.orders"},"collection":"orders","op":"reset"`)),
		"reload-after-unknown":         withID("c1", row(1, `"data":{"reason":"unreadable","key":"1"},"op":"reset"`)),
		"reload-after-row-without-key": withID("c1", row(1, `"collection":"orders","op":"reset"`)),
		"reload-after-reset":           withID("c1", syncFrame(`{"mode":"reset","reason":"pruned"}`)),
	} {
		all = append(all, Scenario{
			Name: name, Rule: "a reset without a key makes a client load all rows again, and drops what came before",
			Start: openOrders,
			Rows:  states("1 2", "2 3", "2 3 9"),
			Other: func(e *Exchange) {
				lists(nil, page("p1", "null", "1", "2"), pageAt(2000, "p2", "null", "2", "3"))(e)
				if e.path() == "collections/orders" && e.count("lists") == 1 {
					close(e.signal("reloaded"))
				}
			},
			// A client may go on with its stream, or open another one at the cursor of the new list.
			Stream: []Step{
				func(e *Exchange) {
					e.After("p1").Send(resumed("p1") + row(77, put("insert", "8", "open")) + frame)
					e.await("reloaded")
					e.Send(withID("c2", row(1002, put("insert", "9", "open")))).Hold()
				},
				func(e *Exchange) {
					e.After("p2").Send(resumed("p2") + withID("c2", row(1002, put("insert", "9", "open")))).Hold()
				},
			},
		})
	}
	return all
}
