package stream_test

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// selected returns the rows of a selection that the client may see, as JSON by key.
func (c *rowClient) selected(name string, rows map[string]row) map[string]string {
	out := map[string]string{}
	for id, r := range rows {
		if c.selections[name].matches(r) && c.hears(r.audience) {
			data, _ := json.Marshal(r)
			out[id] = string(data)
		}
	}
	return out
}

// process applies what the client has received since the last call, as docs/protocol.md says.
func (c *rowClient) process(t *rapid.T, w *rowWorld) {
	for ; c.processed < len(c.Transactions); c.processed++ {
		for _, e := range c.Transactions[c.processed] {
			for name := range c.selections {
				c.apply(t, w, name, &e)
			}
		}
	}
}

func (c *rowClient) apply(t *rapid.T, w *rowWorld, name string, e *streamtest.Envelope) {
	switch o := e.OutcomeOf(name); {
	case o.Op == "":
	case o.Op == "reset":
		c.rows[name], c.isAhead = c.selected(name, w.rows), true
	case o.Op == "delete":
		if o.Moved && e.Data != nil && e.Ops == nil {
			t.Fatalf("a row that left came with its data: %+v", e)
		}
		delete(c.rows[name], e.Key)
	case e.Oversized:
		c.isAhead = true
		delete(c.rows[name], e.Key)
		if data, found := c.selected(name, w.rows)[e.Key]; found {
			c.rows[name][e.Key] = data
		}
	default:
		c.rows[name][e.Key] = string(e.Data)
	}
}

// checkRows compares the rows of each client with those at its cursor.
func (w *rowWorld) checkRows(t *rapid.T) {
	for i, c := range w.clients {
		c.process(t, w)
		if c.conflate || c.isAhead || c.Cursor == "" {
			continue
		}
		cursor, err := stream.ParseCursor(c.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		c.check(t, i, w.rowsAt(cursor))
	}
}

// rowsAt returns the rows after the transactions in the cursor.
func (w *rowWorld) rowsAt(c stream.Cursor) map[string]row {
	var events []stream.Event
	for _, tx := range w.log.Committed() {
		if c.Seen(tx.XID) {
			events = append(events, tx.Events...)
		}
	}
	slices.SortFunc(events, func(a, b stream.Event) int { return int(a.ID - b.ID) }) // the order of the writes of each row
	rows := map[string]row{}
	for _, e := range events {
		var r row
		_ = json.Unmarshal(e.Data, &r)
		r.audience = e.Audience
		if rows[e.Key] = r; e.Type == "deleted" {
			delete(rows, e.Key)
		}
	}
	return rows
}

func (c *rowClient) check(t *rapid.T, i int, rows map[string]row) {
	for _, name := range slices.Sorted(maps.Keys(c.selections)) {
		if diff := cmp.Diff(c.selected(name, rows), c.rows[name]); diff != "" {
			t.Fatalf("client %d with %q and grants %v, at %s: the rows of %q (-want +got):\n%s", i, c.selections[name].query, c.grants, c.Cursor, name, diff)
		}
	}
}

func (w *rowWorld) finishRows(t *rapid.T) {
	for _, tx := range w.open {
		w.endTx(tx, true)
	}
	for _, f := range w.feeds {
		if err := stream.ReadOnce(f); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range w.clients {
		if c.sub == nil {
			w.connectTo(t, c.client, w.feeds[0])
		}
		for c.step(t, 1<<20, 0) {
		}
		c.process(t, w)
		c.check(t, i, w.rows)
	}
}
