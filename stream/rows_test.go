package stream_test

import (
	"encoding/json"
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

// row is a row of the model's table.
type row struct {
	ID      string  `json:"id"`
	Status  *string `json:"status"`
	Total   int     `json:"total"`
	Version int     `json:"version"`

	audience []string
}

// rowSelection is a filter of collections, and its model.
type rowSelection struct {
	query   string // conditions, as in a named selection
	matches func(row) bool
}

func is(text *string, want string) bool { return text != nil && *text == want }

var rowSelections = []rowSelection{
	{"", func(row) bool { return true }},
	{";where.status=open", func(r row) bool { return is(r.Status, "open") }},
	{";where.status=neq.open", func(r row) bool { return r.Status != nil && !is(r.Status, "open") }},
	{";where.status=is.null", func(r row) bool { return r.Status == nil }},
	{";where.status=in.(open,paid);where.total=gt.4", func(r row) bool { return (is(r.Status, "open") || is(r.Status, "paid")) && r.Total > 4 }},
	{";any=(status.eq.paid,total.lt.3)", func(r row) bool { return is(r.Status, "paid") || r.Total < 3 }},
}

// rowClient holds the rows that a client has of each of its selections, by name and key.
type rowClient struct {
	*client
	selections map[string]rowSelection
	rows       map[string]map[string]string
	processed  int  // transactions
	isAhead    bool // it has loaded rows, which may be newer than its cursor
}

func (c *rowClient) hears(audience []string) bool {
	return audience == nil || slices.ContainsFunc(audience, func(tag string) bool { return tag == "*" || slices.Contains(c.grants, tag) })
}

// rowWorld holds a table, of which clients select rows.
type rowWorld struct {
	*world
	rows    map[string]row            // committed
	states  map[uint64]map[string]row // of each open transaction: the rows that it has written
	clients []*rowClient
	written int
}

// TestCollectionsEqualTheDatabase lets writers insert, update, delete and truncate at random, and move rows into and out of
// filters and audiences, while clients read, disconnect, catch up and resume. Whenever a client's cursor stands after a
// transaction, what it has of each selection are the rows of the transactions in the cursor. At the end it has the rows of the table.
func TestCollectionsEqualTheDatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newRowWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"begin":     w.begin,
			"write":     w.writeRow,
			"write on":  w.writeRow,
			"truncate":  w.truncate,
			"commit":    func(t *rapid.T) { w.endRows(t, true) },
			"rollback":  func(t *rapid.T) { w.endRows(t, false) },
			"read":      w.read,
			"connect":   w.connect,
			"receive":   w.receive,
			"fan out":   w.fanOut,
			"heartbeat": w.heartbeat,
			"break":     w.disconnect,
			"restart":   w.restart,
			"":          w.checkRows,
		})
		w.finishRows(t)
	})
}

func newRowWorld(t *rapid.T) *rowWorld {
	ops := map[string]collection.Op{"created": collection.OpInsert, "updated": collection.OpUpdate, "deleted": collection.OpDelete}
	set, err := collection.NewSet([]collection.Collection{{
		Name: "orders", Table: "public.orders", Key: []string{"id"}, Types: ops, Truncated: "table_truncated", Fields: []collection.Field{
			{Name: "id"}, {Name: "status", Filter: collection.Text, Column: "status"},
			{Name: "total", Filter: collection.Integer, Column: "total"}, {Name: "version"},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := &rowWorld{world: &world{log: streamtest.NewLog("e1"), collections: set}, rows: map[string]row{}, states: map[uint64]map[string]row{}}
	w.log.PartSize = rapid.IntRange(1, 5).Draw(t, "part size")
	for range 2 {
		w.feeds = append(w.feeds, nil)
		w.start(t, len(w.feeds)-1)
	}
	for i := range 6 {
		c := w.newRowClient(t)
		w.clients, w.world.clients = append(w.clients, c), append(w.world.clients, c.client)
		w.connectTo(t, c.client, w.feeds[i%2])
	}
	return w
}

func (w *rowWorld) newRowClient(t *rapid.T) *rowClient {
	c := &rowClient{client: &client{}, selections: map[string]rowSelection{}, rows: map[string]map[string]string{}}
	c.grants = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b"}), rapid.ID).Draw(t, "grants")
	params := url.Values{}
	if n := rapid.IntRange(0, 3).Draw(t, "selections"); n == 0 {
		s := rapid.SampledFrom(rowSelections).Draw(t, "selection")
		c.selections[""] = s
		params, _ = url.ParseQuery("collection=orders" + strings.ReplaceAll(s.query, ";", "&"))
	} else {
		for i := range n {
			s := rapid.SampledFrom(rowSelections).Draw(t, "selection")
			c.selections[fmt.Sprint("s", i)] = s
			params.Set(fmt.Sprint("q.s", i), "collection:orders"+s.query)
		}
	}
	if c.selections[""].matches == nil && rapid.Bool().Draw(t, "events too") { // what a selection of events has changes nothing for the others
		params.Set("q.events", rapid.SampledFrom([]string{"events", "events;types=updated", "events;key=1;where.status=open"}).Draw(t, "events"))
	}
	for name := range c.selections {
		c.rows[name] = map[string]string{}
	}
	var err error
	if c.filter, err = stream.ParseFilter(params, w.collections); err != nil {
		t.Fatal(err)
	}
	if c.batch = rapid.IntRange(0, 3).Draw(t, "batch") == 0; c.batch {
		c.filter = c.filter.Batched(time.Second)
	}
	if c.conflate = rapid.IntRange(0, 2).Draw(t, "conflate") == 0; c.conflate {
		c.filter = c.filter.Conflated()
	}
	c.filter = c.filter.WithGrants(c.grants)
	return c
}

// find returns the row as the transaction sees it, and false if another one has locked it.
func (w *rowWorld) find(xid uint64, id string) (r row, exists, free bool) {
	for other, state := range w.states {
		if _, locked := state[id]; locked && other != xid {
			return r, false, false
		}
	}
	if r, found := w.states[xid][id]; found {
		return r, r.Version != 0, true
	}
	r, exists = w.rows[id]
	return r, exists, true
}

func (w *rowWorld) writeRow(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no transaction is open")
	}
	tx := rapid.SampledFrom(w.open).Draw(t, "tx")
	for range rapid.IntRange(1, 5).Draw(t, "writes") {
		id := rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(t, "row")
		old, exists, free := w.find(tx.XID, id)
		if !free {
			continue
		}
		w.written++
		r := w.drawRow(t, id)
		switch {
		case !exists:
			w.append(t, tx, "created", row{}, r)
		case rapid.IntRange(0, 4).Draw(t, "delete") == 0:
			w.append(t, tx, "deleted", row{}, old)
			r = row{}
		default:
			w.append(t, tx, "updated", old, r)
		}
		if w.states[tx.XID] == nil {
			w.states[tx.XID] = map[string]row{}
		}
		w.states[tx.XID][id] = r
	}
}

func (w *rowWorld) drawRow(t *rapid.T, id string) row {
	r := row{ID: id, Total: rapid.SampledFrom([]int{1, 5}).Draw(t, "total"), Version: w.written}
	if status := rapid.SampledFrom([]string{"open", "paid", ""}).Draw(t, "status"); status != "" {
		r.Status = &status
	}
	r.audience = rapid.SampledFrom([][]string{nil, nil, {"a"}, {"b", "c"}, {}, {"*", "a"}}).Draw(t, "audience")
	return r
}

// append appends the event as the triggers do.
func (w *rowWorld) append(t *rapid.T, tx *streamtest.Tx, kind string, old, r row) {
	data, _ := json.Marshal(r)
	e := stream.Event{Type: kind, Key: r.ID, Data: data, Audience: r.audience}
	if kind == "updated" {
		was := map[string]any{}
		if (old.Status == nil) != (r.Status == nil) || old.Status != nil && *old.Status != *r.Status {
			was["status"] = old.Status
		}
		if old.Total != r.Total {
			was["total"] = old.Total
		}
		if len(was) > 0 {
			e.Was, _ = json.Marshal(was)
		}
		if (old.audience == nil) != (r.audience == nil) || !slices.Equal(old.audience, r.audience) {
			if e.AudienceWas = old.audience; old.audience == nil {
				e.AudienceWas = []string{"*"}
			}
		}
	}
	switch rapid.IntRange(0, 19).Draw(t, "readable") {
	case 0:
		e.Incomplete, e.Data, e.Was = stream.Oversized, nil, nil
	case 1:
		e = e.Lost(stream.Unreadable, "22P05")
	}
	tx.Append(e)
}

// truncate removes all rows, if no other transaction has locked one.
func (w *rowWorld) truncate(t *rapid.T) {
	if len(w.open) == 0 || rapid.IntRange(0, 4).Draw(t, "rarely") > 0 {
		t.Skip("no transaction is open")
	}
	tx := rapid.SampledFrom(w.open).Draw(t, "tx")
	for xid := range w.states {
		if xid != tx.XID {
			t.Skip("rows are locked")
		}
	}
	state := map[string]row{}
	for id := range w.rows {
		state[id] = row{}
	}
	for id := range w.states[tx.XID] {
		state[id] = row{}
	}
	w.states[tx.XID] = state
	tx.Append(stream.Event{Type: "table_truncated", Data: json.RawMessage(`{"table":"public.orders"}`)})
}

func (w *rowWorld) endRows(t *rapid.T, commit bool) {
	if len(w.open) == 0 {
		t.Skip("no transaction is open")
	}
	i := rapid.IntRange(0, len(w.open)-1).Draw(t, "tx")
	w.endTx(w.open[i], commit)
	w.open = slices.Delete(w.open, i, i+1)
}

func (w *rowWorld) endTx(tx *streamtest.Tx, commit bool) {
	state := w.states[tx.XID]
	delete(w.states, tx.XID)
	if !commit {
		tx.Rollback()
		return
	}
	tx.Commit()
	for id, r := range state {
		if w.rows[id] = r; r.Version == 0 {
			delete(w.rows, id)
		}
	}
}
